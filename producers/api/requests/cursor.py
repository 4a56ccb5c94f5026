"""Pagination cursors: the position of the last returned item, as text that clients send back. Pure."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from schemas.errors import Rejected

T = TypeVar("T")
MAX_CHARS = 200
MAX_OFFSETS_CHARS = 4000
_MAX_NUMBER = 2**31
_MAX_OFFSET = 2**63
_NOT_OURS = "is not one that this service gave out"
_ANOTHERS = "belongs to another list or other filters: send those of the page before, or begin without a cursor"


def list_of(name: str, *filters: object) -> int:
    """The number that identifies a list with its filters; equal filters (by their `repr`) give the same number."""
    digest = hashlib.sha256(repr((name, filters)).encode(errors="backslashreplace")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def page_of(found: Sequence[T], limit: int) -> tuple[Sequence[T], T | None]:
    """The first `limit` of the found items, and the last of these, None when there are no more behind it."""
    return found[:limit], found[limit - 1] if len(found) > limit else None


def to_cursor(which: int, at: datetime, identity: UUID, *position: int) -> str:
    """The cursor of a position in a list (`list_of`): time and id, followed by a position where there is one."""
    return _encoded([at.isoformat(), identity.hex, which, *position])


def from_cursor(text: str | None, which: int) -> tuple[datetime, UUID] | None:
    """The position in a cursor; raises Rejected(invalid_request) for a malformed one, and for one of another list.

    Cursors are not signed: a client may invent a position, and gets what follows it in its own list.
    """
    place = _read(text, which, positions=0)
    return place and place[:2]


def from_position_cursor(text: str | None, which: int) -> tuple[datetime, UUID, int] | None:
    """The position in a cursor of a list whose cursors end with a position; raises as `from_cursor`."""
    place = _read(text, which, positions=1)
    return place and (*place[:2], place[2][0])


def to_offsets_cursor(which: int, offsets: Mapping[tuple[str, int], int]) -> str:
    """The cursor of a list over partitions: of each name and number the offset below which it goes on."""
    by_name: dict[str, dict[int, int]] = {}
    for (name, number), offset in offsets.items():
        by_name.setdefault(name, {})[number] = offset
    return _encoded([which, by_name])


def from_offsets_cursor(text: str | None, which: int) -> dict[tuple[str, int], int] | None:
    """The offsets in a cursor; raises as `from_cursor`."""
    if text is None:
        return None
    try:
        ours, by_name = _decoded(text)
        offsets = {(name, int(number)): at for name, each in by_name.items() for number, at in each.items()}
        if not all(type(at) is int and 0 <= at < _MAX_OFFSET for at in offsets.values()):
            raise ValueError("no offsets")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _wrong(_NOT_OURS) from error
    if ours != which:
        raise _wrong(_ANOTHERS)
    return offsets


def _encoded(place: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def _decoded(text: str) -> Any:
    padded = text + "=" * (-len(text) % 4)
    return json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))


def _read(text: str | None, which: int, positions: int) -> tuple[datetime, UUID, list[int]] | None:
    if text is None:
        return None
    try:
        at, identity, *numbers = _decoded(text)
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
