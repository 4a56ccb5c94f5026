"""When a webhook is tried again, and when no more: pure decisions over the schedule of Standard Webhooks."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from sink.deliveries import State

HOUR = 3600
SCHEDULE = (0, 5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""Seconds before each attempt, counted from the end of the one before it."""
LEASES = 2 * len(SCHEDULE)
"""How often a delivery may be leased: an attempt without an outcome, as a killed process leaves, is made again."""
JITTER = 0.1  # share by which a delay varies either way, so that a receiver's recovery meets no wave
RETRY_AFTER_MAX = 24 * HOUR  # seconds; no receiver may put an attempt off for longer
GONE = 410


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a delivery stands after an attempt; `next_attempt_at` only while it is pending."""

    state: State
    next_attempt_at: datetime | None = None


def after_attempt(
    attempt: int, status: int | None, retry_after: float | None, now: datetime, *, spread: float, time_scale: float
) -> Verdict:
    """What follows when attempt number `attempt` (1 at first) was answered with `status`, None without an answer.

    `retry_after` in seconds, `spread` a random number of [0, 1), `time_scale` a factor on every delay.
    """
    if status is not None and 200 <= status < 300:
        return Verdict(State.DELIVERED)
    if status == GONE:
        return Verdict(State.DISABLED)
    if attempt >= len(SCHEDULE):
        return Verdict(State.EXHAUSTED)
    delay = SCHEDULE[attempt] * (1 + JITTER * (2 * spread - 1))
    wished = min(max(retry_after or 0.0, 0.0), RETRY_AFTER_MAX)
    return Verdict(State.PENDING, now + timedelta(seconds=max(delay, wished) * time_scale))


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for, in either of its forms; None when it is missing or malformed."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), RETRY_AFTER_MAX))
    try:
        at = parsedate_to_datetime(text)
        # a date without a zone is UTC by RFC 9110
        return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError, TypeError):
        return None
