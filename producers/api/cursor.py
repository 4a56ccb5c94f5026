"""Where a list goes on: time and id of the last thing that was seen, as text that clients hand back unread. Pure."""

import base64
import json
from datetime import datetime
from uuid import UUID

from schemas.errors import Rejected

MAX_CHARS = 200


def to_cursor(at: datetime, identity: UUID) -> str:
    """The text for a place in a list."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), identity.hex]).encode()).decode().rstrip("=")


def from_cursor(text: str | None) -> tuple[datetime, UUID] | None:
    """The place that a text names; raises Rejected(invalid_request) for one that was not made here."""
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        at, identity = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        place = datetime.fromisoformat(at), UUID(identity)
        if place[0].tzinfo is None:
            raise ValueError("a time without zone")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        found = {"field": "cursor", "message": "is not one that this service gave out"}
        raise Rejected("invalid_request", "cursor: is not one that this service gave out", (found,)) from error
    return place
