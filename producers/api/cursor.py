"""Where a list goes on: the place of the last thing that was seen, as text that clients hand back unread. Pure."""

import base64
import json
from datetime import datetime
from uuid import UUID

from schemas.errors import Rejected

MAX_CHARS = 200
_MAX_POSITION = 2**31


def to_cursor(at: datetime, identity: UUID, *position: int) -> str:
    """The text for a place in a list: time and id, and a position behind them where there is one."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), identity.hex, *position]).encode()).decode().rstrip("=")


def from_cursor(text: str | None) -> tuple[datetime, UUID] | None:
    """The place that a text names; raises Rejected(invalid_request) for one that was not made here."""
    place = _read(text, positions=0)
    return place and place[:2]


def from_position_cursor(text: str | None) -> tuple[datetime, UUID, int] | None:
    """The same for a list whose places have a position."""
    place = _read(text, positions=1)
    return place and (*place[:2], place[2][0])


def _read(text: str | None, positions: int) -> tuple[datetime, UUID, list[int]] | None:
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        at, identity, *rest = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        place = datetime.fromisoformat(at), UUID(identity), rest
        if place[0].tzinfo is None:
            raise ValueError("a time without zone")
        if len(rest) != positions or not all(type(number) is int and 0 <= number < _MAX_POSITION for number in rest):
            raise ValueError("another list's")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        found = {"field": "cursor", "message": "is not one that this service gave out"}
        raise Rejected("invalid_request", "cursor: is not one that this service gave out", (found,)) from error
    return place
