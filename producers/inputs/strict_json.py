"""Strict JSON: UTF-8, each key once, finite numbers, and no lone surrogates. Pure."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from math import isfinite
from typing import Any

from producers.inputs.validation_errors import MAX_FINDINGS, refused

MAX_DIGITS = 40  # of a whole number
MAX_NAMES = 1000  # of an object; each that is not known would be a finding
MAX_DEPTH = 32  # of arrays and objects in one another; nothing that is taken has more than a few
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")

Place = tuple[str | int, ...]


class _Wrong:
    """Placeholder for a value that is not valid JSON."""

    def __init__(self, message: str) -> None:
        self.message = message


class _Object(dict[str, Any]):
    """An object with repeated keys."""

    repeated: tuple[str, ...] = ()


class _Reader:
    """Parser callbacks of `json.loads` that record whether any value is invalid."""

    def __init__(self) -> None:
        self.found_wrong = False

    def whole_number(self, text: str) -> Any:
        return int(text) if len(text) <= MAX_DIGITS else self._wrong("has more digits than any number here")

    def number(self, text: str) -> Any:
        value = float(text)
        return value if isfinite(value) else self._wrong("is larger than any number here")

    def constant(self, text: str) -> Any:
        return self._wrong(f"{text} is no number of JSON")

    def object(self, pairs: list[tuple[str, Any]]) -> Any:
        if len(pairs) > MAX_NAMES:
            return self._wrong(f"has more than {MAX_NAMES} names")
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        self.found_wrong = True
        marked = _Object(found)
        marked.repeated = tuple(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        return marked

    def _wrong(self, message: str) -> _Wrong:
        self.found_wrong = True
        return _Wrong(message)


def read_json(data: bytes, place: Place = ()) -> Any:
    """The value of a JSON text; raises Rejected(invalid_request) with every place where it is invalid.

    `place` is the location of the text itself, such as the field of a form.
    """
    try:
        return _read(data)
    except _NotJson as error:
        raise refused((("body", *place, *where), message) for where, message in error.found) from None


class _NotJson(Exception):
    def __init__(self, *found: tuple[Place, str]) -> None:
        self.found = found


def _read(data: bytes) -> Any:
    text, reader = _text(data), _Reader()
    try:
        value = json.loads(
            text,
            parse_int=reader.whole_number,
            parse_float=reader.number,
            parse_constant=reader.constant,
            object_pairs_hook=reader.object,
        )
    except json.JSONDecodeError as error:
        raise _NotJson(((), f"is not JSON: {error.msg} at character {error.pos}")) from None
    except RecursionError:
        raise _NotJson(((), _DEEP)) from None
    if _is_deep(text, value):
        raise _NotJson(((), _DEEP))
    if (reader.found_wrong or _HALF_CHARACTER.search(text)) and (
        found := [*islice(_mistakes(value, []), MAX_FINDINGS)]
    ):
        raise _NotJson(*found)
    return value


_DEEP = f"is nested too deeply: at most {MAX_DEPTH} arrays and objects in one another"


def _is_deep(text: str, value: Any) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for item in level if isinstance(item, (list, dict))]
        level = [*chain.from_iterable(item.values() if isinstance(item, dict) else item for item in level)]
    return any(isinstance(item, (list, dict)) for item in level)


def _text(data: bytes) -> str:
    if data.startswith(_BYTE_ORDER_MARKS):
        raise _NotJson(((), "begins with a byte-order mark: send UTF-8 without one"))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _NotJson(((), f"is not UTF-8 at byte {error.start}")) from None
    if "\x00" in text:  # UTF-16 and UTF-32 without a mark have them everywhere, JSON has them nowhere
        raise _NotJson(((), "has NUL bytes: send UTF-8"))
    return text


def _mistakes(value: Any, place: list[str | int]) -> Iterator[tuple[Place, str]]:
    """Every invalid place, lazily: untrusted text may have very many, and only some are reported."""
    if isinstance(value, _Wrong):
        yield tuple(place), value.message
    elif isinstance(value, str):
        if not _is_whole(value):
            yield tuple(place), "has half of a character (a lone surrogate)"
    elif isinstance(value, list):
        yield from _mistakes_within(enumerate(value), place)
    elif isinstance(value, dict):
        yield from _mistakes_of_keys(tuple(place), value)
        yield from _mistakes_within(value.items(), place)


def _mistakes_within(items: Iterable[tuple[str | int, Any]], place: list[str | int]) -> Iterator[tuple[Place, str]]:
    for name, item in items:
        if isinstance(item, (_Wrong, list, dict)) or (isinstance(item, str) and not _is_whole(item)):
            place.append(name)
            yield from _mistakes(item, place)
            place.pop()


def _mistakes_of_keys(place: Place, value: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    if isinstance(value, _Object):
        yield from (((*place, name), "is given more than once") for name in value.repeated)
    yield from (((*place, name), "its name has half of a character") for name in value if not _is_whole(name))


def _is_whole(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
