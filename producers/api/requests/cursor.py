"""Where a list goes on: the place of the last thing that was seen, as text that clients hand back. Pure."""

import base64
import hashlib
import json
from datetime import datetime
from uuid import UUID

from schemas.errors import Rejected

MAX_CHARS = 200
_MAX_NUMBER = 2**31
_NOT_OURS = "is not one that this service gave out"
_ANOTHERS = "belongs to another list or other filters: send those of the page before, or begin without a cursor"


def list_of(name: str, *filters: object) -> int:
    """The number of a list as it is filtered, the same for equal filters; those of whose `repr` says all that they are."""
    digest = hashlib.sha256(repr((name, filters)).encode(errors="backslashreplace")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def to_cursor(which: int, at: datetime, identity: UUID, *position: int) -> str:
    """The text for a place in a list (`list_of`): time and id, and a position behind them where there is one."""
    place = [at.isoformat(), identity.hex, which, *position]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def from_cursor(text: str | None, which: int) -> tuple[datetime, UUID] | None:
    """The place that a text names; raises Rejected(invalid_request) for a text of another form, or of another list.

    Nothing is signed: a client may make up a place, and gets what follows it in its own list.
    """
    place = _read(text, which, positions=0)
    return place and place[:2]


def from_position_cursor(text: str | None, which: int) -> tuple[datetime, UUID, int] | None:
    """The same for a list whose places have a position."""
    place = _read(text, which, positions=1)
    return place and (*place[:2], place[2][0])


def _read(text: str | None, which: int, positions: int) -> tuple[datetime, UUID, list[int]] | None:
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        at, identity, *numbers = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        place = datetime.fromisoformat(at), UUID(identity), numbers[1:]
        if place[0].tzinfo is None:
            raise ValueError("a time without zone")
        if not numbers or not all(type(number) is int and 0 <= number < _MAX_NUMBER for number in numbers):
            raise ValueError("no numbers")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _wrong(_NOT_OURS) from error
    if numbers[0] != which or len(place[2]) != positions:
        raise _wrong(_ANOTHERS)
    return place


def _wrong(message: str) -> Rejected:
    return Rejected("invalid_request", f"cursor: {message}", ({"field": "cursor", "message": message},))
