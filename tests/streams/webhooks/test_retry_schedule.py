"""When a webhook is tried again: the schedule, its jitter, Retry-After, and the ends."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.retries.retry_after import RETRY_AFTER_MAX
from schemas.retries.schedules import WEBHOOKS
from schemas.webhooks.deliveries import DeliveryState
from sink.webhooks.deliveries import TEST
from streams.webhooks.retry_schedule import (
    FAILING_SECONDS,
    PAUSE_MAX,
    PAUSE_SECONDS,
    RetryDecision,
    after_attempt,
    attempts_of,
    blocked_until,
    only_fails,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FAILURES = st.one_of(st.none(), st.integers(100, 199), st.integers(300, 409), st.integers(411, 999))


def after(attempt: int, status: int | None, retry_after: float | None = None, spread: float = 0.5) -> RetryDecision:
    return after_attempt(attempt, status, retry_after, NOW, spread=spread, time_scale=1.0)


@given(attempt=st.integers(1, 100), status=st.integers(200, 299), wish=st.floats(0, 1e9))
def test_any_success_ends_it(attempt: int, status: int, wish: float) -> None:
    assert after(attempt, status, wish) == RetryDecision(DeliveryState.DELIVERED)


@given(attempt=st.integers(1, 100))
def test_gone_disables_at_any_attempt(attempt: int) -> None:
    assert after(attempt, 410) == RetryDecision(DeliveryState.DISABLED)


@pytest.mark.parametrize(("attempt", "seconds"), list(enumerate(WEBHOOKS.seconds, start=1)))
def test_without_spread_the_schedule_is_kept(attempt: int, seconds: int) -> None:
    assert after(attempt, 500).next_attempt_at == NOW + timedelta(seconds=seconds)


def test_the_schedule_is_the_standards_example() -> None:
    assert WEBHOOKS.attempts == 10
    assert timedelta(seconds=sum(WEBHOOKS.seconds)) == timedelta(hours=75, minutes=35, seconds=5)


@given(attempt=st.integers(WEBHOOKS.attempts, 100), status=FAILURES)
def test_after_the_last_attempt_nothing_follows(attempt: int, status: int | None) -> None:
    assert after(attempt, status) == RetryDecision(DeliveryState.EXHAUSTED)


@given(
    attempt=st.integers(1, WEBHOOKS.attempts - 1),
    status=FAILURES,
    spread=st.floats(0, 1, exclude_max=True),
    wish=st.one_of(st.none(), st.floats(-1e9, 1e9)),
    scale=st.floats(0.001, 1),
)
def test_a_wait_lies_within_jitter_or_is_the_receivers_wish(
    attempt: int, status: int | None, spread: float, wish: float | None, scale: float
) -> None:
    verdict = after_attempt(attempt, status, wish, NOW, spread=spread, time_scale=scale)
    assert verdict.state is DeliveryState.PENDING
    assert verdict.next_attempt_at is not None
    wait = (verdict.next_attempt_at - NOW).total_seconds() / scale
    wished = min(max(wish or 0.0, 0.0), RETRY_AFTER_MAX)
    assert max(0.9 * WEBHOOKS.seconds[attempt - 1], wished) <= wait + 0.01
    assert wait - 0.01 <= max(1.1 * WEBHOOKS.seconds[attempt - 1], wished)


def test_a_test_is_sent_once_and_all_else_by_the_schedule() -> None:
    assert (attempts_of(TEST), attempts_of("job.completed")) == (1, WEBHOOKS.attempts)
    once = after_attempt(1, 500, None, NOW, spread=0.5, time_scale=1, attempts=attempts_of(TEST))
    assert once == RetryDecision(DeliveryState.EXHAUSTED)


@pytest.mark.parametrize(
    ("status", "wish", "seconds"),
    [
        (429, None, PAUSE_SECONDS),
        (502, None, PAUSE_SECONDS),
        (504, None, PAUSE_SECONDS),
        (429, 60.0, 60.0),
        (503, 60.0, 60.0),
        (429, 1e9, PAUSE_MAX),
        (503, None, None),
        (500, 60.0, None),
        (301, 60.0, None),
        (None, None, None),
    ],
)
def test_an_overloaded_receiver_gets_a_pause(status: int | None, wish: float | None, seconds: float | None) -> None:
    expected = None if seconds is None else NOW + timedelta(seconds=seconds / 10)
    assert blocked_until(status, wish, NOW, 0.1) == expected


def test_five_days_of_nothing_but_failures_are_enough() -> None:
    since = NOW - timedelta(days=5)
    assert only_fails(since, NOW, FAILING_SECONDS)
    assert not only_fails(since + timedelta(seconds=1), NOW, FAILING_SECONDS)
    assert not only_fails(NOW, NOW, FAILING_SECONDS)
