"""Waits grow, stay within their bounds, and are spread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.retries.backoff import Backoff, FixedWaits, jittered

SPREADS = st.floats(0, 1, exclude_max=True)


@st.composite
def backoffs(draw: st.DrawFn) -> Backoff:
    first = draw(st.floats(0, 100))
    least = draw(st.floats(0, 2))
    return Backoff(
        first=first,
        factor=draw(st.floats(1, 10)),
        cap=first + draw(st.floats(0, 1e6)),
        jitter=(least, least + draw(st.floats(0, 2))),
    )


@given(backoffs(), st.integers(1, 10**9), SPREADS)
def test_waits_grow_up_to_the_cap(backoff: Backoff, failures: int, spread: float) -> None:
    """However often something has failed."""
    now, later = backoff.wait(failures, spread), backoff.wait(failures + 1, spread)
    assert backoff.first * backoff.jitter[0] * 0.999 <= now <= later <= backoff.cap * backoff.jitter[1] * 1.001


@given(backoffs(), st.integers(1, 100), SPREADS, SPREADS)
def test_waits_are_drawn_between_the_factors(backoff: Backoff, failures: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert backoff.wait(failures, low) <= backoff.wait(failures, high) * 1.001


def test_the_first_wait_follows_the_first_failure() -> None:
    doubling = Backoff(first=1, cap=5)
    assert [doubling.wait(failures) for failures in range(1, 6)] == [1, 2, 4, 5, 5]
    assert [Backoff(first=1, factor=1, cap=1).wait(n) for n in (1, 2, 1000)] == [1, 1, 1]
    listed = FixedWaits(seconds=(5, 300), jitter=(0.9, 1.1))
    assert (listed.attempts, listed.wait(1, 0.5), listed.wait(2, 0.0)) == (3, 5, 270)
    assert jittered(10, listed, 0.0) == 9


@pytest.mark.parametrize(
    "wrong", [{"first": 2, "cap": 1}, {"first": 1, "cap": 2, "factor": 0.5}, {"first": 1, "cap": 2, "jitter": (1, 0)}]
)
def test_what_would_not_grow_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="grow"):
        Backoff(**wrong)  # type: ignore[arg-type]
