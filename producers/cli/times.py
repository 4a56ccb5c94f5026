"""Times as options of commands take them."""

from datetime import UTC, datetime

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


def utc(at: datetime | None) -> datetime | None:
    """A time without a zone is meant in UTC."""
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
