"""Times as options of commands, in every notation in which commands print them. Pure."""

import re
from datetime import UTC, datetime

_UTC = re.compile(r"\s*(utc|z)$", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}($|[T ]\d{2}:\d{2})", re.IGNORECASE)


def parse_time(text: str) -> datetime:
    """A date or time of ISO 8601 in UTC; without an offset it is read as UTC. Raises ValueError for any other text."""
    written = text.strip()
    try:
        if not _DATE.match(written):
            raise ValueError
        at = datetime.fromisoformat(_UTC.sub("+00:00", written) if len(written) > len("2026-01-31Z") else written)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no time, such as 2026-01-31, 2026-01-31T12:00 or 2026-01-31T12:00:00+02:00") from None
