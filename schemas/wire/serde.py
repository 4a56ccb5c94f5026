"""Serialization of events: Confluent wire format (00, 4-byte schema id, Avro), ids from a SchemaStore.

Reading resolves the writer's schema, found by its id, against ours, so old and new records both decode, and those of
producers with schemas of their own. With the ids of the manifest an event is written by the oldest schema that holds
all of it: processes of the previous version know no later one, and a new field has no effect on them until it is used.
"""

import io
import itertools
import json
from collections.abc import Hashable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import fastavro
from pydantic import TypeAdapter, ValidationError

from schemas.errors import InvalidEvent, Permanent, Poison
from schemas.events import EVENTS, Event
from schemas.transcript import Transcript
from schemas.wire.avro_reading import (
    AVRO_FOLDER,
    Mistake,
    Schema,
    check_shape,
    current_schema,
    out_of_range,
    read_leniently,
    read_strictly,
    timed,
)
from schemas.wire.evolution import NewField, new_fields, without
from schemas.wire.rejected_events import answer_to, reason_of

MAGIC = b"\x00"
MAX_RECORD_BYTES = 1_000_000
MAX_ANSWERED_BYTES = 4 * MAX_RECORD_BYTES  # larger ones are not even looked at for whose they are
MAX_SCHEMA_ID = 2**31 - 1
CONTAINER_MAGIC = b"Obj\x01"  # of Avro's object container files
BARE_RESULT_ID = 3  # of the JobResult in whose time claim checks were bare Avro
E = TypeVar("E", bound=Event)


class SchemaStore(Protocol):
    """Source of schema ids: the checked-in manifest, or a registry."""

    def id_of(self, event_name: str) -> int:
        """The id under which the current schema of an event is written."""

    def schema_of(self, schema_id: int) -> Schema:
        """The writer's schema of an id; raises Poison for an unregistered id."""

    def knows(self, schema_id: int) -> bool:
        """Whether `schema_of` has this schema at hand, without I/O."""

    def writer_for(self, event_name: str, plain: dict[str, Any]) -> tuple[int, Schema]:
        """Id and schema to write an event as plain dicts, from which fields missing in the schema are removed."""


@cache
def _adapter(cls: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(type[Any], cls))


class ManifestStore:
    """Ids from `avro/manifest.json`, writer schemas of every released version from `avro/released/<id>.avsc`."""

    def __init__(self, folder: Path = AVRO_FOLDER) -> None:
        self._folder = folder
        self._ids: dict[str, int] = json.loads((folder / "manifest.json").read_text())["current"]
        self._schemas: dict[int, Schema] = {}
        self._older: dict[str, tuple[tuple[int, tuple[NewField, ...]], ...]] = {}

    def id_of(self, event_name: str) -> int:
        """See SchemaStore."""
        return self._ids[event_name]

    def schema_of(self, schema_id: int) -> Schema:
        """See SchemaStore."""
        if schema_id not in self._schemas:
            path = self._path(schema_id)
            if not path.is_file():
                raise Poison(f"unknown schema id {schema_id}")
            self._schemas[schema_id] = cast(Schema, fastavro.parse_schema(json.loads(path.read_text())))
        return self._schemas[schema_id]

    def knows(self, schema_id: int) -> bool:
        """See SchemaStore."""
        return schema_id in self._schemas or self._path(schema_id).is_file()

    def writer_for(self, event_name: str, plain: dict[str, Any]) -> tuple[int, Schema]:
        """See SchemaStore."""
        current = self.id_of(event_name)
        if event_name not in self._older:
            self._older[event_name] = tuple(self._versions_before(current))
        for schema_id, fields in self._older[event_name]:
            if without(plain, fields):
                return schema_id, self.schema_of(schema_id)
        return current, current_schema(event_name)

    def _versions_before(self, current: int) -> Iterator[tuple[int, tuple[NewField, ...]]]:
        """Released versions of an event, the oldest first, each with its missing fields; unusable ones are left out."""
        newest = self.schema_of(current)
        for schema_id in sorted(int(path.stem) for path in (self._folder / "released").glob("*.avsc")):
            if schema_id < current and self.schema_of(schema_id)["name"] == newest["name"]:
                fields = new_fields(newest, self.schema_of(schema_id))
                if fields is not None:
                    yield schema_id, fields

    def _path(self, schema_id: int) -> Path:
        return self._folder / "released" / f"{schema_id}.avsc"


class Serde:
    """Encodes and decodes events; malformed input raises Poison, and InvalidEvent where it is readable."""

    def __init__(self, store: SchemaStore | None = None) -> None:
        self._store = store or ManifestStore()
        self._learned: set[str] = set()

    def encode(self, event: Event) -> bytes:
        """The event in Confluent wire format."""
        out = io.BytesIO()
        plain = _plain(event)
        schema_id, schema = self._store.writer_for(event.KIND, plain)
        self._learned.add(event.KIND)
        out.write(MAGIC + schema_id.to_bytes(4, "big"))
        fastavro.schemaless_writer(out, schema, plain, strict=True)
        return out.getvalue()

    def decode(self, value: bytes | None, cls: type[E]) -> E:
        """The event of class `cls` in `value`; raises Poison with the reason, InvalidEvent for single wrong values."""
        schema_id, writer = self._writer(value)
        if _unqualified(writer) != cls.KIND:
            raise Poison(f"a {writer.get('name')} where a scribe.{cls.KIND} belongs")
        value = value or b""
        try:
            data, mistakes = _read(value[5:], writer, cls.KIND, f" (schema {schema_id})")
        except Poison as error:
            if len(value) <= MAX_RECORD_BYTES:
                raise
            raise Poison(f"{_too_large(len(value))}, and {error}") from error
        mistakes += [*timed(data, cls.KIND), *out_of_range(data, cls.KIND)]
        return cast(E, _event(data, cast(type[Event], cls), mistakes, len(value)))

    def learn(self, *kinds: type[Event]) -> None:
        """Fetch the ids of these events now, so that encoding and decoding in this version needs no I/O later."""
        for cls in kinds:
            self._id_of(cls.KIND)

    def has_learned(self, cls: type[Event]) -> bool:
        """Whether encoding this event, and decoding records of this version, needs no I/O."""
        return cls.KIND in self._learned

    def _id_of(self, kind: str) -> int:
        found = self._store.id_of(kind)
        self._learned.add(kind)
        return found

    def at_hand(self, value: bytes | None) -> bool:
        """Whether `decode` needs no I/O: the schema of `value` is known here, or it is not an event."""
        try:
            return self._store.knows(schema_id_of(value))
        except Poison:
            return True

    def decode_any(self, value: bytes | None) -> Event:
        """The event in `value`, of the class named in its writer schema."""
        _, schema = self._writer(value)
        for cls in EVENTS:
            if _unqualified(schema) == cls.KIND:
                return self.decode(value, cls)
        raise Poison(f"{schema.get('name')} is no event")

    def _writer(self, value: bytes | None) -> tuple[int, Schema]:
        schema_id = schema_id_of(value)
        return schema_id, self._store.schema_of(schema_id)


def _unqualified(schema: Schema) -> str:
    """The record name without its namespace, as Avro resolves it; generated classes have other namespaces."""
    return str(schema.get("name")).rpartition(".")[2] if isinstance(schema, dict) else ""


def schema_id_of(value: bytes | None) -> int:
    """The writer's schema id in a value; raises Poison for a value that cannot be an event."""
    if not value or len(value) < 6 or value[:1] != MAGIC:
        raise Poison("not in Confluent wire format (00, schema id, Avro)")
    if len(value) > MAX_ANSWERED_BYTES:
        raise Poison(_too_large(len(value)))
    schema_id = int.from_bytes(value[1:5], "big")
    # registries count up from 1, and some answer larger numbers as if they were out of order
    if schema_id > MAX_SCHEMA_ID:
        raise Poison(f"unknown schema id {schema_id}")
    return schema_id


def _read(body: bytes, writer: Schema, kind: str, where: str = "") -> tuple[Any, list[Mistake]]:
    """The plain values and the mistakes in single ones; raises Poison when they cannot be read."""
    try:
        return read_strictly(body, writer, kind), []
    except Poison:
        raise
    # the library raises whatever the bytes provoke: EOFError, IndexError, UnicodeDecodeError, OverflowError ...
    except Exception as error:  # noqa: BLE001
        # not the error: its traceback leads to this frame, and what is in a circle with a record stays in memory for long
        first = f"{type(error).__name__}: {error}"
    try:
        return read_leniently(body, writer, kind)
    except Poison:
        raise
    except Exception:  # noqa: BLE001 - the same, and the first one says more
        raise Poison(f"not readable as {writer.get('name')}{where}: {first}") from None


def _too_large(size: int) -> str:
    return f"{size} bytes, more than {MAX_RECORD_BYTES}"


def _event(data: Any, cls: type[Event], mistakes: list[Mistake], size: int) -> Event:
    """The event from plain values; raises InvalidEvent with the answer to its submitter."""
    found = list(mistakes)
    event = None
    try:
        event = _adapter(cast(Hashable, cls)).validate_python(data)
    except ValidationError as error:
        named = {field for field, _ in found}
        found += [mistake for mistake in map(_mistake, error.errors(include_input=False)) if mistake[0] not in named]
    if event is not None and not found and size <= MAX_RECORD_BYTES:
        return cast(Event, event)
    reason = reason_of(cls, found) if found else Permanent("request_too_large", _too_large(size))
    raise InvalidEvent(reason, answer_to(cls, data, reason, found))


def _mistake(error: Any) -> Mistake:
    return ".".join(map(str, error["loc"])), str(error["msg"])


def _value(data: Any, cls: type[Any]) -> Any:
    try:
        return _adapter(cast(Hashable, cls)).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise Poison(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _plain(value: Event | Transcript) -> dict[str, Any]:
    """The value as dicts for checks by the Avro schema; dataclasses.asdict takes twenty times as long."""
    return cast(dict[str, Any], _adapter(cast(Hashable, type(value))).dump_python(value, warnings="none"))


def to_json(value: Event | Transcript) -> dict[str, Any]:
    """An event or a transcript as plain JSON types: ids and times as text."""
    return cast(dict[str, Any], _adapter(cast(Hashable, type(value))).dump_python(value, mode="json"))


def to_json_text(value: Event | Transcript, indent: int | None = None) -> bytes:
    """The result of `to_json` as JSON text in UTF-8, with null for numbers that are not finite.

    Raises ValueError for text with lone surrogates.
    """
    return _adapter(cast(Hashable, type(value))).dump_json(value, indent=indent)


def event_from_json(data: Mapping[str, Any], cls: type[E]) -> E:
    """The event that `to_json` wrote; raises Poison for anything else."""
    return cast(E, _value(dict(data), cls))


def transcript_from_json(data: Mapping[str, Any]) -> Transcript:
    """The transcript that `to_json` wrote; raises Poison for anything else."""
    return cast(Transcript, _value(dict(data), Transcript))


def encode_transcript(transcript: Transcript) -> bytes:
    """A transcript as a self-describing Avro object container file, the form of a stored claim check."""
    out = io.BytesIO()
    fastavro.writer(out, current_schema("Transcript"), [_plain(transcript)], codec="null", strict=True)
    return out.getvalue()


def decode_transcript(body: bytes) -> Transcript:
    """The transcript of a claim check, in the current or an earlier form; raises Poison for anything else."""
    if body.startswith(CONTAINER_MAGIC):
        return cast(Transcript, _value(_contained(body), Transcript))
    data, mistakes = _read(body, _bare_schema(), "Transcript")
    for field, message in mistakes:
        raise Poison(f"{field}: {message}")
    return cast(Transcript, _value(data, Transcript))


def _contained(body: bytes) -> Any:
    try:
        reader = fastavro.reader(io.BytesIO(body), reader_schema=current_schema("Transcript"))
        if reader.codec != "null":  # a few bytes could become gigabytes
            raise Poison(f"a transcript compressed with {reader.codec}")
        check_shape(cast(Schema, reader.writer_schema))
        found = list(itertools.islice(reader, 2))
    except Poison:
        raise
    # as above: whatever the bytes provoke
    except Exception as error:
        raise Poison(f"not readable as a transcript: {type(error).__name__}: {error}") from error
    if len(found) != 1:
        raise Poison("a file of several transcripts, or of none")
    return found[0]


@cache
def _bare_schema() -> Schema:
    """The schema of claim checks of earlier versions, which lack one: that inside the results of their time."""
    result = ManifestStore().schema_of(BARE_RESULT_ID)
    field = next(field for field in result["fields"] if field["name"] == "transcript")
    return cast(Schema, next(kind for kind in field["type"] if isinstance(kind, dict)))
