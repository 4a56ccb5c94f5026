"""When a call is tried again: within jitter of the schedule, never before the service's wish, and not for ever."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from streams.call_schedule import ATTEMPTS, DELAYS, retried_at

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@given(
    attempt=st.integers(1, ATTEMPTS - 1),
    wished=st.one_of(st.none(), st.floats(0, 86_400)),
    spread=st.floats(0, 1, exclude_max=True),
    scale=st.floats(0.001, 1),
)
def test_a_wait_lies_within_jitter_or_is_the_services_wish(
    attempt: int, wished: float | None, spread: float, scale: float
) -> None:
    at = retried_at(attempt, wished, NOW, spread=spread, time_scale=scale)
    assert at is not None
    wait = (at - NOW).total_seconds() / scale
    assert max(0.8 * DELAYS[attempt - 1], wished or 0) <= wait + 0.01
    assert wait - 0.01 <= max(1.2 * DELAYS[attempt - 1], wished or 0)


@given(st.integers(ATTEMPTS, 1000))
def test_the_last_attempt_is_followed_by_none(attempt: int) -> None:
    assert retried_at(attempt, 5.0, NOW, spread=0.5, time_scale=1) is None
