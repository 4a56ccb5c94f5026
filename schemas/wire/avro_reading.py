"""Avro bodies decoded to plain values: the writer's schema resolved to ours, with every invalid field named.

Source: the Avro specification 1.12, "Schema Resolution" and "Logical Types".
"""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import fastavro
from fastavro.read import LOGICAL_READERS, SchemaResolutionError
from fastavro.schema import load_schema

from schemas.errors import Poison

AVRO_FOLDER = Path(__file__).parents[1] / "avro"
INT_RANGE = range(-(2**31), 2**31)
Schema = dict[str, Any]
Field = str  # dotted
Mistake = tuple[Field, str]  # what is wrong with it

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LENIENT = "scribe-lenient-"  # before the name of a logical type that is read without raising
_MICROS = "timestamp-micros"
_MOST_EMPTY = 1000
_PARSED = ("__fastavro_parsed__", "__named_schemas")


@dataclass(frozen=True, slots=True)
class Wrong:
    """Placeholder for a value that does not fit its logical type."""

    message: str


@cache
def current_schema(name: str) -> Schema:
    """The parsed schema of an event or of a value inside one, such as `Transcript`."""
    return cast(Schema, load_schema(str(AVRO_FOLDER / f"scribe.{name}.avsc")))


def read_strictly(body: bytes, writer: Schema, kind: str) -> Any:
    """The plain values of a body; raises any error of the library."""
    return _read(body, writer, current_schema(kind))


def read_leniently(body: bytes, writer: Schema, kind: str) -> tuple[Any, list[Mistake]]:
    """The plain values of a body with None for each invalid one, whose field is named. Raises like `read_strictly`.

    By a schema that does not resolve to ours they are those of the writer, whose types may say the same as ours.
    """
    lenient = _lenient_schema(writer)
    try:
        data = _read(body, lenient, current_schema(kind), unicode_errors="surrogateescape")
    except SchemaResolutionError:
        data = _read(body, lenient, None, unicode_errors="surrogateescape")
    mistakes: list[Mistake] = []
    cleaned = _cleaned(data, "", mistakes)
    return cleaned, [(path.lstrip("."), message) for path, message in mistakes]


def timed(data: Any, kind: str) -> list[Mistake]:
    """Convert plain numbers to times, for writers whose schemas lack logical types; names invalid fields."""
    return [mistake for path in _paths(kind, _is_time) for mistake in _timed(data, path)]


def out_of_range(data: Any, kind: str) -> list[Mistake]:
    """Name the numbers outside Avro's int, which unchecked encoders write and no database accepts."""
    return [
        (".".join(path), f"{value} is no number of 32 bits")
        for path in _paths(kind, _is_int)
        if isinstance(value := _at(data, path), int) and value not in INT_RANGE
    ]


def check_shape(schema: Schema) -> None:
    """Raise Poison for a writer's schema that lets a few bytes decode endlessly, or crash the process.

    The library recurses in C for self-containing records, and decodes values that take no bytes, of which there can be
    2^n where n records have the next one twice.
    """
    _size(schema, frozenset(), {})


def _read(body: bytes, writer: Schema, reader: Schema | None, unicode_errors: str = "strict") -> Any:
    stream = io.BytesIO(body)
    data = fastavro.schemaless_reader(stream, writer, reader, handle_unicode_errors=unicode_errors)
    if rest := len(body) - stream.tell():
        raise Poison(f"{rest} bytes behind the {writer.get('name')}")
    return data


def _lenient_schema(schema: Schema) -> Schema:
    return cast(Schema, fastavro.parse_schema(_renamed(schema)))


def _renamed(schema: Any) -> Any:
    """The schema with logical types that never raise."""
    if isinstance(schema, list):
        return [_renamed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _renamed(value) for name, value in schema.items() if name not in _PARSED}
    if f"{schema.get('type')}-{schema.get('logicalType')}" in _READERS:
        found["logicalType"] = _LENIENT + str(schema["logicalType"])
    return found


def _nanos(value: int, *_: Any) -> datetime:
    return _time_of(value // 1000)


def _time_of(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _without_raising(read: Callable[..., Any], name: str) -> Callable[..., Any]:
    def reader(value: Any, *schemas: Any) -> Any:
        try:
            return read(value, *schemas)
        except (ValueError, ArithmeticError, TypeError, AttributeError):
            return Wrong(f"{str(value)[:40]!r} is no {name}")

    return reader


def _as_it_is(value: bytes, *_: Any) -> bytes:
    return value


LOGICAL_READERS.setdefault("long-timestamp-nanos", _nanos)
# no event of ours has one, and to make the number takes time by the square of its bytes, in which no other thread runs
LOGICAL_READERS.update(dict.fromkeys(("bytes-decimal", "fixed-decimal"), _as_it_is))
_READERS = dict(LOGICAL_READERS)
for _key, _reader in _READERS.items():
    _base, _, _name = _key.partition("-")
    LOGICAL_READERS[f"{_base}-{_LENIENT}{_name}"] = _without_raising(_reader, _name)


def _cleaned(value: Any, path: str, mistakes: list[Mistake]) -> Any:
    """The value with None in place of invalid parts, and its text as UTF-8."""
    match value:
        case Wrong():
            mistakes.append((path, value.message))
            return None
        case str() if not value.isascii():
            return _text(value, path, mistakes)
        case dict():
            names = {name: _text(name, path, mistakes) for name in value}
            return {names[name]: _cleaned(item, f"{path}.{names[name]}", mistakes) for name, item in value.items()}
        case list():
            return [_cleaned(item, f"{path}.{number}", mistakes) for number, item in enumerate(value)]
    return value


def _text(value: str, path: str, mistakes: list[Mistake]) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        mistakes.append((path, "is not in UTF-8"))
        return value.encode(errors="surrogateescape").decode(errors="replace")
    return value


Steps = tuple[str, ...]


@cache
def _paths(kind: str, is_meant: Callable[[Any], bool]) -> tuple[Steps, ...]:
    """The paths of an event's fields whose schema `is_meant` accepts, with those of nested records but not of lists."""
    return tuple(_fields(current_schema(kind), is_meant))


def _fields(schema: Any, is_meant: Callable[[Any], bool], path: Steps = ()) -> Iterator[Steps]:
    for field in schema["fields"]:
        here = (*path, field["name"])
        branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
        for branch in branches:
            resolved = _named(branch)
            if isinstance(resolved, dict) and resolved.get("type") == "record":
                yield from _fields(resolved, is_meant, here)
            elif is_meant(resolved):
                yield here


def _named(schema: Any) -> Any:
    """The schema that a name such as `scribe.Source` refers to."""
    if isinstance(schema, str) and schema.startswith("scribe."):
        return current_schema(schema.removeprefix("scribe."))
    return schema


def _is_int(schema: Any) -> bool:
    return bool(schema == "int")


def _is_time(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("logicalType") == _MICROS


def _at(data: Any, path: Steps) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _timed(data: Any, path: Steps) -> Iterator[Mistake]:
    value, holder = _at(data, path), _at(data, path[:-1])
    if isinstance(value, str):  # of a schema that does not resolve to ours
        try:
            value = holder[path[-1]] = datetime.fromisoformat(value)
        except ValueError:
            holder[path[-1]] = None
            yield ".".join(path), f"{value[:40]!r} is no time such as 2026-01-31T12:00:00Z"
            return
    if isinstance(value, datetime) and value.tzinfo is None:
        holder[path[-1]] = None
        yield ".".join(path), "must have a time zone"
    if not isinstance(value, int):
        return
    try:
        holder[path[-1]] = _time_of(value)
    except OverflowError:
        holder[path[-1]] = None
        yield ".".join(path), f"{value} is no {_MICROS}"


class _Size(NamedTuple):
    """The encoded size of a value: its fewest bytes, possibly 0, and the number of values in it that may take none."""

    least_bytes: float
    empty: int


def _size(schema: Any, within: frozenset[str], known: dict[str, _Size]) -> _Size:
    """The size of a value; `known` has those of names, `within` the outer records. Raises Poison, see `check_shape`."""
    match schema:
        case list():
            branches = [_size(branch, within, known) for branch in schema] or [_Size(0, 0)]
            return _Size(1 + min(one.least_bytes for one in branches), max(one.empty for one in branches))
        case str() if schema in within:
            raise Poison(f"its schema has {schema} inside itself")
        case str():
            return known.get(schema, _Size(0, 1) if schema == "null" else _Size(1, 0))
        case {"type": "record" | "error", "name": name, "fields": fields}:
            known[name] = _sum([_size(field["type"], within | {name}, known) for field in fields])
            return known[name]
        case {"type": "array", "items": items}:
            _check_item(_size(items, within, known), 0)
        case {"type": "map", "values": values}:
            _check_item(_size(values, within, known), 1)
        case {"type": "fixed", "name": name, "size": size}:
            known[name] = _Size(float(size), 0 if size else 1)
            return known[name]
        case {"type": dict() | list() as inner}:
            return _size(inner, within, known)
        case {"type": "null"}:
            return _Size(0, 1)
    return _Size(1, 0)


def _sum(fields: list[_Size]) -> _Size:
    least_bytes = sum(field.least_bytes for field in fields)
    empty = sum(field.empty for field in fields) + (0 if least_bytes else 1)
    if empty > _MOST_EMPTY:
        raise Poison(f"its schema has more than {_MOST_EMPTY} values that take no bytes")
    return _Size(least_bytes, empty)


def _check_item(item: _Size, key_bytes: int) -> None:
    """Refuse lists whose items take fewer bytes than the values that are read for them."""
    if item.empty > item.least_bytes + key_bytes:
        raise Poison("its schema has items that take no bytes")
