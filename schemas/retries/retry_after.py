"""Retry-After: the time for which a server asks not to be called."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRY_AFTER_MAX = 24 * 3600  # seconds; nobody may put an attempt off for longer


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
