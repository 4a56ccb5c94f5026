"""The progress of a job in words, for lists and bars."""

from typing import Any


def amount(done: float, total: float | None) -> str:
    """Seconds of audio done, and the total if it is known."""
    return f"{done:.0f} of {total:.0f} s" if total else ""


def done_part(progress: dict[str, Any]) -> str:
    """The progress of a job in percent, '' while it is not known."""
    fraction = progress["fraction"]
    return "" if fraction is None else f"{fraction:.0%}"
