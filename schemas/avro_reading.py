"""Avro bodies as plain values: by the writer's schema, resolved to ours, with what no event may hold named field by field.

Source: the Avro specification 1.12, "Schema Resolution" and "Logical Types".
"""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

import fastavro
from fastavro.read import LOGICAL_READERS
from fastavro.schema import load_schema

from schemas.errors import Poison

AVRO_FOLDER = Path(__file__).parent / "avro"
INT_RANGE = range(-(2**31), 2**31)
Schema = dict[str, Any]
Field = str  # dotted
Mistake = tuple[Field, str]  # what is wrong with it

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LENIENT = "scribe-lenient-"  # before the name of a logical type that is read without raising
_MICROS = "timestamp-micros"
_PARSED = ("__fastavro_parsed__", "__named_schemas")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that its logical type cannot be made of, in that value's place."""

    message: str


@cache
def current_schema(name: str) -> Schema:
    """The parsed schema of an event or of a value inside one, such as `Transcript`."""
    return cast(Schema, load_schema(str(AVRO_FOLDER / f"scribe.{name}.avsc")))


def read_strictly(body: bytes, writer: Schema, kind: str) -> Any:
    """The plain values of a body; raises whatever the bytes provoke, as the library does."""
    return _read(body, writer, kind)


def read_leniently(body: bytes, writer: Schema, kind: str) -> tuple[Any, list[Mistake]]:
    """The same where single values are wrong: None stands for each, and the field is named. Raises like `read_strictly`."""
    data = _read(body, _lenient_schema(writer), kind, unicode_errors="surrogateescape")
    mistakes: list[Mistake] = []
    cleaned = _cleaned(data, "", mistakes)
    return cleaned, [(path.lstrip("."), message) for path, message in mistakes]


def timed(data: Any, kind: str) -> list[Mistake]:
    """Put times in the place of plain numbers, which writers send whose schema has no logical types; and name what is none."""
    return [mistake for path in _paths(kind, _is_time) for mistake in _timed(data, path)]


def out_of_range(data: Any, kind: str) -> list[Mistake]:
    """Name the numbers that Avro's int cannot hold: what encoders write that do not look, and no database takes."""
    return [
        (".".join(path), f"{value} is no number of 32 bits")
        for path in _paths(kind, _is_int)
        if isinstance(value := _at(data, path), int) and value not in INT_RANGE
    ]


def check_shape(schema: Schema) -> None:
    """Raise Poison for a writer's schema by which a few bytes would never end, or end the process.

    The library recurses in C for records inside themselves, and counts through items that take no bytes.
    """
    _least_bytes(schema, frozenset(), {})


def _read(body: bytes, writer: Schema, kind: str, unicode_errors: str = "strict") -> Any:
    stream = io.BytesIO(body)
    data = fastavro.schemaless_reader(stream, writer, current_schema(kind), handle_unicode_errors=unicode_errors)
    if rest := len(body) - stream.tell():
        raise Poison(f"{rest} bytes behind the {writer.get('name')}")
    return data


def _lenient_schema(schema: Schema) -> Schema:
    return cast(Schema, fastavro.parse_schema(_renamed(schema)))


def _renamed(schema: Any) -> Any:
    """The schema with logical types that raise nothing."""
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


LOGICAL_READERS.setdefault("long-timestamp-nanos", _nanos)
_READERS = dict(LOGICAL_READERS)
for _key, _reader in _READERS.items():
    _base, _, _name = _key.partition("-")
    LOGICAL_READERS[f"{_base}-{_LENIENT}{_name}"] = _without_raising(_reader, _name)


def _cleaned(value: Any, path: str, mistakes: list[Mistake]) -> Any:
    """The value with None for what is wrong in it, and its text as UTF-8."""
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
    """The fields of an event, and of records inside it but for those in lists, whose schema is meant."""
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
    """The schema that a name such as `scribe.Source` stands for."""
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


def _least_bytes(schema: Any, within: frozenset[str], known: dict[str, float]) -> float:
    """How few bytes a value may take, 0 for one that takes none; `known` by name, `within` the records around it."""
    match schema:
        case list():
            return 1 + min((_least_bytes(branch, within, known) for branch in schema), default=0)
        case str() if schema in within:
            raise Poison(f"its schema has {schema} inside itself")
        case str():
            return known.get(schema, 0 if schema == "null" else 1)
        case {"type": "record" | "error", "name": name, "fields": fields}:
            known[name] = sum(_least_bytes(field["type"], within | {name}, known) for field in fields)
            return known[name]
        case {"type": "array", "items": items}:
            if not _least_bytes(items, within, known):
                raise Poison("its schema has items that take no bytes")
        case {"type": "map", "values": values}:
            _least_bytes(values, within, known)
        case {"type": "fixed", "name": name, "size": size}:
            known[name] = float(size)
            return known[name]
        case {"type": dict() | list() as inner}:
            return _least_bytes(inner, within, known)
        case {"type": "null"}:
            return 0
    return 1
