"""The circuit breaker: it opens after failures in a row, lets one probe through, and never for longer than its limit."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.retries.backoff import Backoff
from streams.enhancements.circuit_breaker import CircuitBreaker


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 9))
def test_it_is_open_only_after_failures_in_a_row_and_for_a_bounded_time(ends: list[bool], free: int) -> None:
    breaker, now, row = CircuitBreaker(), 0.0, 0
    for ended_well in ends:
        row = 0 if ended_well else row + 1
        breaker = breaker.succeeded() if ended_well else breaker.failed(now)
        assert breaker.is_closed == (row < breaker.threshold)
        if breaker.is_closed:
            assert breaker.permits(free, 0, now) == free
        else:
            assert breaker.permits(free, 0, now) == 0
            assert breaker.open_until - now <= breaker.backoff.cap
            assert breaker.permits(free, 0, breaker.open_until) == 1
            assert breaker.permits(free, 1, breaker.open_until) == 0, "one probe at a time"
        now += 1


def test_each_failed_probe_doubles_the_wait() -> None:
    breaker, waits = CircuitBreaker(threshold=1, backoff=Backoff(first=5, cap=30)), []
    for _ in range(5):
        breaker = breaker.failed(100)
        waits.append(breaker.open_until - 100)
    assert waits == [5, 10, 20, 30, 30]
