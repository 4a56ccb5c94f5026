"""Comparison of this machine's clock with that of a server: due times, tokens and signatures rest on both."""

import logging
from datetime import UTC, datetime

log = logging.getLogger(__name__)
MOST_SECONDS = 30.0  # an answer may have been under way for some of them


def compare_clocks(theirs: datetime, whose: str, ours: datetime | None = None) -> str | None:
    """A message when the clock of `whose` server is far from ours, logged too; None when they agree."""
    seconds = ((ours or datetime.now(UTC)) - theirs).total_seconds()
    if abs(seconds) <= MOST_SECONDS:
        return None
    found = (
        f"the clock of this machine is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} that of {whose}:"
        " set both by NTP, for jobs expire, retries fall due and tokens end by them"
    )
    log.error("%s", found)
    return found
