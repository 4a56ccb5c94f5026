"""What a failed result carries of its request has a bound: no text of JobRequested can be forgotten."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

from schemas.events import JobRequested
from schemas.requests.limits import MAX_ID_CHARS, MAX_URI_CHARS, slim_request

FREE_TEXTS = {"metadata", "options.hotwords", "options.prompt"}
"""What people wrote: a slim request has none of it."""
BOUNDED = {
    **dict.fromkeys(("tenant", "recording_id", "source.sha256", "source.name"), MAX_ID_CHARS),
    **dict.fromkeys(("options.engine", "options.model", "options.language", "options.track"), MAX_ID_CHARS),
    **dict.fromkeys(("enhancement.llm_model",), MAX_ID_CHARS),
    **dict.fromkeys(("source.uri", "webhook_url"), MAX_URI_CHARS),
}
"""Characters that are left at most of each other text."""
LONG = "x" * 300_000


def whole(hint: Any) -> Any:
    """The type of a field that is not None."""
    options = [each for each in get_args(hint) if each is not type(None)]
    return options[0] if get_origin(hint) is UnionType else hint


def texts(cls: type, place: str = "") -> Iterator[str]:
    """Where an event has text, or anything else that may hold some."""
    hints = get_type_hints(cls)
    for field in fields(cls):
        kind = whole(hints[field.name])
        if is_dataclass(kind):
            yield from texts(kind, f"{place}{field.name}.")  # type: ignore[arg-type]
        elif kind not in (bool, int, float, UUID, datetime) and not (isinstance(kind, type) and issubclass(kind, Enum)):
            yield f"{place}{field.name}"


def filled(cls: type, place: str = "") -> Any:
    """An event with as much text as a stranger may write into each place."""
    values: dict[str, Any] = {}
    for field in fields(cls):
        kind = whole(get_type_hints(cls)[field.name])
        if is_dataclass(kind):
            values[field.name] = filled(kind, f"{place}{field.name}.")  # type: ignore[arg-type]
        elif kind is str:
            values[field.name] = LONG
        elif get_origin(kind) is dict:
            values[field.name] = {LONG: LONG}
        elif kind in (UUID, datetime):
            values[field.name] = UUID(int=1) if kind is UUID else datetime(2026, 1, 1, tzinfo=UTC)
    return cls(**values)


def at(value: Any, place: str) -> Any:
    for name in place.split("."):
        value = getattr(value, name)
    return value


def test_every_text_of_a_request_is_free_or_bounded() -> None:
    """A new field belongs into one of the two: free text into slim_request() as well."""
    assert set(texts(JobRequested)) == FREE_TEXTS | BOUNDED.keys()
    assert not FREE_TEXTS & BOUNDED.keys()


def test_a_slim_request_has_no_free_text_and_keeps_the_bounds() -> None:
    slim = slim_request(filled(JobRequested))
    assert [place for place in FREE_TEXTS if at(slim, place)] == []
    assert [place for place, limit in BOUNDED.items() if len(at(slim, place) or "") > limit] == []
