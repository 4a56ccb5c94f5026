"""The progress of a job in words, for lists and bars."""

import math
from datetime import datetime
from typing import Any


def amount(done: float, total: float | None) -> str:
    """Seconds of audio done, and the total if it is known."""
    return f"{done:.0f} of {total:.0f} s" if total else ""


def done_part(progress: dict[str, Any]) -> str:
    """The progress of a job in percent, '' while it is not known."""
    fraction = progress["fraction"]
    return "" if fraction is None else f"{fraction:.0%}"


def forecast(estimate: dict[str, Any] | None, now: datetime) -> str:
    """The place of a job that waits, and the time until its probable end; '' where that is not known, or has passed."""
    if estimate is None:
        return ""
    left = math.ceil((datetime.fromisoformat(estimate["ends_at"]) - now).total_seconds())
    if left <= 0:
        return ""
    minutes, seconds = divmod(left, 60)
    ends = f"ends in about {minutes}:{seconds:02} min" if minutes else f"ends in about {seconds} s"
    place = estimate["position"]
    return f"number {place} of yours that wait, {ends}" if place else ends
