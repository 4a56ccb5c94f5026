"""When a call of the enhanced-AI service is tried again, and when no more: pure decisions."""

from datetime import datetime, timedelta

from schemas.retries.backoff import jittered
from schemas.retries.schedules import ENHANCEMENTS

ATTEMPTS = ENHANCEMENTS.attempts
AWAY_SECONDS = 15  # after an attempt that does not count: the breaker keeps the real pace


def retried_at(attempt: int, now: datetime, *, spread: float, time_scale: float) -> datetime | None:
    """When attempt number `attempt` (1 at first) is followed by another, None when it was the last.

    `spread` is a random number of [0, 1), `time_scale` a factor on delays.
    """
    if attempt >= ATTEMPTS:
        return None
    return now + timedelta(seconds=ENHANCEMENTS.wait(attempt, spread) * time_scale)


def throttled_until(wished: float | None, now: datetime, *, spread: float, time_scale: float) -> datetime:
    """When a service that asked for patience is asked again: not before its Retry-After, `wished` in seconds.

    Being many is no call's fault, so it costs none of its attempts.
    """
    wait = max(jittered(AWAY_SECONDS, ENHANCEMENTS, spread), wished or 0.0)
    return now + timedelta(seconds=wait * time_scale)
