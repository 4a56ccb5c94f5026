"""When a call is tried again: within jitter of the schedule and not for ever, but as long as the service asks for patience."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from schemas.retries.schedules import ENHANCEMENTS
from streams.enhancements.retry_schedule import ATTEMPTS, AWAY_SECONDS, retried_at, throttled_until

NOW = datetime(2026, 1, 2, tzinfo=UTC)


SPREADS, SCALES = st.floats(0, 1, exclude_max=True), st.floats(0.001, 1)


@given(attempt=st.integers(1, ATTEMPTS - 1), spread=SPREADS, scale=SCALES)
def test_a_wait_lies_within_jitter(attempt: int, spread: float, scale: float) -> None:
    at = retried_at(attempt, NOW, spread=spread, time_scale=scale)
    assert at is not None
    wait = (at - NOW).total_seconds() / scale
    assert 0.8 * ENHANCEMENTS.seconds[attempt - 1] <= wait + 0.01
    assert wait - 0.01 <= 1.2 * ENHANCEMENTS.seconds[attempt - 1]


@given(wished=st.one_of(st.none(), st.floats(0, 86_400)), spread=SPREADS, scale=SCALES)
def test_patience_lasts_as_long_as_was_wished(wished: float | None, spread: float, scale: float) -> None:
    wait = (throttled_until(wished, NOW, spread=spread, time_scale=scale) - NOW).total_seconds() / scale
    assert max(0.8 * AWAY_SECONDS, wished or 0) <= wait + 0.01
    assert wait - 0.01 <= max(1.2 * AWAY_SECONDS, wished or 0)


@given(st.integers(ATTEMPTS, 1000))
def test_the_last_attempt_is_followed_by_none(attempt: int) -> None:
    assert retried_at(attempt, NOW, spread=0.5, time_scale=1) is None
