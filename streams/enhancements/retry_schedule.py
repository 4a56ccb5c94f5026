"""Retry schedule of enhanced-AI calls: the time of the next attempt, or the end of attempts. Pure."""

from datetime import datetime, timedelta

from schemas.retries.backoff import jittered
from schemas.retries.schedules import ENHANCEMENTS

ATTEMPTS = ENHANCEMENTS.attempts
AWAY_SECONDS = 15  # after an attempt that does not count: the breaker keeps the real pace


def retried_at(attempt: int, now: datetime, *, spread: float, time_scale: float) -> datetime | None:
    """The time of the attempt after number `attempt` (1 at first), None when that was the last.

    `spread` is a random number of [0, 1), `time_scale` a factor on delays.
    """
    if attempt >= ATTEMPTS:
        return None
    return now + timedelta(seconds=ENHANCEMENTS.wait(attempt, spread) * time_scale)


def throttled_until(wished: float | None, now: datetime, *, spread: float, time_scale: float) -> datetime:
    """The time of the next call after throttling: not before the service's Retry-After, `wished` in seconds.

    Being many is no call's fault, so it costs none of its attempts.
    """
    wait = max(jittered(AWAY_SECONDS, ENHANCEMENTS, spread), wished or 0.0)
    return now + timedelta(seconds=wait * time_scale)
