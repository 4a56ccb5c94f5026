"""Retry schedule of webhooks by Standard Webhooks: next attempt, pause of the endpoint, or the last attempt. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.retries.retry_after import RETRY_AFTER_MAX
from schemas.retries.schedules import HOUR, WEBHOOKS
from schemas.webhooks.deliveries import DeliveryState
from sink.webhooks.deliveries import TEST

LEASES = 2 * WEBHOOKS.attempts
"""How often a delivery may be leased: an attempt without an outcome, as a killed process leaves, is made again."""
GONE = 410
UNAVAILABLE = 503
OVERLOADED = frozenset({429, 502, 504})  # where the standard recommends to throttle
PAUSE_SECONDS = 5.0  # what an overloaded receiver gets that wishes for nothing
PAUSE_MAX = HOUR  # seconds; after so long one looks again, whatever was wished for
FAILING_SECONDS = 5 * 24 * HOUR  # an endpoint that only fails for so long is disabled


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """The state of a delivery after an attempt; `next_attempt_at` only while it is pending."""

    state: DeliveryState
    next_attempt_at: datetime | None = None


def after_attempt(
    attempt: int,
    status: int | None,
    retry_after: float | None,
    now: datetime,
    *,
    spread: float,
    time_scale: float,
    attempts: int = WEBHOOKS.attempts,
) -> RetryDecision:
    """The decision after number `attempt` of `attempts` (1 at first) with `status`, None without an answer.

    `retry_after` in seconds, `spread` a random number of [0, 1), `time_scale` a factor on every delay.
    """
    if status is not None and 200 <= status < 300:
        return RetryDecision(DeliveryState.DELIVERED)
    if status == GONE:
        return RetryDecision(DeliveryState.DISABLED)
    if attempt >= attempts:
        return RetryDecision(DeliveryState.EXHAUSTED)
    delay = WEBHOOKS.wait(attempt, spread)
    wished = min(max(retry_after or 0.0, 0.0), RETRY_AFTER_MAX)
    return RetryDecision(DeliveryState.PENDING, now + timedelta(seconds=max(delay, wished) * time_scale))


def attempts_of(kind: str) -> int:
    """The greatest number of attempts for a type: a test is sent once, since its sender waits for the outcome."""
    return 1 if kind == TEST else WEBHOOKS.attempts


def blocked_until(status: int | None, retry_after: float | None, now: datetime, time_scale: float) -> datetime | None:
    """The time until which an endpoint is paused after such an answer, None for no pause."""
    if status in OVERLOADED or (status == UNAVAILABLE and retry_after is not None):
        pause = PAUSE_SECONDS if retry_after is None else min(retry_after, PAUSE_MAX)
        return now + timedelta(seconds=pause * time_scale)
    return None


def only_fails(since: datetime, now: datetime, seconds: float) -> bool:
    """Whether an endpoint must be disabled that fails at `now` and has only failed `since`."""
    return (now - since).total_seconds() >= seconds
