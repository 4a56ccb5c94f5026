"""Events to bytes and back: Confluent wire format (00, 4-byte schema id, Avro), ids from a SchemaStore.

Reading resolves the writer's schema, found by its id, against ours, so old and new records both decode.
"""

import io
import itertools
import json
from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import fastavro
from fastavro.schema import load_schema
from pydantic import TypeAdapter, ValidationError

from schemas.errors import Poison
from schemas.events import EVENTS, Event
from schemas.transcript import Transcript

AVRO_FOLDER = Path(__file__).parent / "avro"
MAGIC = b"\x00"
MAX_RECORD_BYTES = 1_000_000
MAX_SCHEMA_ID = 2**31 - 1
CONTAINER_MAGIC = b"Obj\x01"  # of Avro's object container files
BARE_RESULT_ID = 3  # of the JobResult in whose time claim checks were bare Avro
E = TypeVar("E", bound=Event)
Schema = dict[str, Any]


class SchemaStore(Protocol):
    """Where schema ids come from: the checked-in manifest, or a registry."""

    def id_of(self, event_name: str) -> int:
        """The id under which the current schema of an event is written."""

    def schema_of(self, schema_id: int) -> Schema:
        """The writer's schema of an id; raises Poison for an id nobody registered."""

    def knows(self, schema_id: int) -> bool:
        """Whether `schema_of` has this schema at hand and asks nobody."""


@cache
def current_schema(name: str) -> Schema:
    """The parsed schema of an event or of a value inside one, such as `Transcript`."""
    return cast(Schema, load_schema(str(AVRO_FOLDER / f"scribe.{name}.avsc")))


@cache
def _adapter(cls: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(type[Any], cls))


class ManifestStore:
    """Ids from `avro/manifest.json`, writer schemas of every released version from `avro/released/<id>.avsc`."""

    def __init__(self, folder: Path = AVRO_FOLDER) -> None:
        self._folder = folder
        self._ids: dict[str, int] = json.loads((folder / "manifest.json").read_text())["current"]
        self._schemas: dict[int, Schema] = {}

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

    def _path(self, schema_id: int) -> Path:
        return self._folder / "released" / f"{schema_id}.avsc"


class Serde:
    """Events to bytes and back; any malformed input raises Poison."""

    def __init__(self, store: SchemaStore | None = None) -> None:
        self._store = store or ManifestStore()

    def encode(self, event: Event) -> bytes:
        """The event in Confluent wire format."""
        out = io.BytesIO()
        out.write(MAGIC + self._store.id_of(event.KIND).to_bytes(4, "big"))
        fastavro.schemaless_writer(out, current_schema(event.KIND), _plain(event), strict=True)
        return out.getvalue()

    def decode(self, value: bytes | None, cls: type[E]) -> E:
        """The event of class `cls` in `value`; raises Poison with the reason."""
        return cast(E, _value(self._read(value, cls.KIND), cls))

    def learn(self, *kinds: type[Event]) -> None:
        """Find the ids of these events now, so that writing them, and reading what is written so, asks nobody later."""
        for cls in kinds:
            self._store.id_of(cls.KIND)

    def at_hand(self, value: bytes | None) -> bool:
        """Whether `decode` asks nobody: the schema of `value` is known here, or it is no event at all."""
        try:
            return self._store.knows(_schema_id(value))
        except Poison:
            return True

    def decode_any(self, value: bytes | None) -> Event:
        """Whatever event `value` holds, known by the name in its writer schema."""
        schema, _ = self._unframe(value)
        for cls in EVENTS:
            if schema.get("name") == f"scribe.{cls.KIND}":
                return self.decode(value, cls)
        raise Poison(f"{schema.get('name')} is no event")

    def _unframe(self, value: bytes | None) -> tuple[Schema, bytes]:
        schema_id = _schema_id(value)
        return self._store.schema_of(schema_id), (value or b"")[5:]

    def _read(self, value: bytes | None, kind: str) -> Any:
        writer, body = self._unframe(value)
        if writer.get("name") != f"scribe.{kind}":
            raise Poison(f"a {writer.get('name')} where a scribe.{kind} belongs")
        return _read_avro(body, writer, kind)


def _schema_id(value: bytes | None) -> int:
    if not value or len(value) < 6 or value[:1] != MAGIC:
        raise Poison("not in Confluent wire format (00, schema id, Avro)")
    if len(value) > MAX_RECORD_BYTES:
        raise Poison(f"{len(value)} bytes, more than {MAX_RECORD_BYTES}")
    schema_id = int.from_bytes(value[1:5], "big")
    # registries count up from 1, and some answer larger numbers as if they were out of order
    if schema_id > MAX_SCHEMA_ID:
        raise Poison(f"unknown schema id {schema_id}")
    return schema_id


def _read_avro(body: bytes, writer: Schema, kind: str) -> Any:
    stream = io.BytesIO(body)
    try:
        data = fastavro.schemaless_reader(stream, writer, current_schema(kind))
    # fastavro raises whatever the bytes provoke: EOFError, IndexError, UnicodeDecodeError, OverflowError ...
    except Exception as error:
        raise Poison(f"not readable as {writer.get('name')}: {type(error).__name__}: {error}") from error
    if rest := len(body) - stream.tell():
        raise Poison(f"{rest} bytes behind the {writer.get('name')}")
    return data


def _value(data: Any, cls: type[Any]) -> Any:
    try:
        return _adapter(cast(Hashable, cls)).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise Poison(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _plain(value: Event | Transcript) -> dict[str, Any]:
    """The value as dicts, of which the Avro schema judges the rest; dataclasses.asdict takes twenty times as long."""
    return cast(dict[str, Any], _adapter(cast(Hashable, type(value))).dump_python(value, warnings="none"))


def to_json(value: Event | Transcript) -> dict[str, Any]:
    """An event or a transcript as plain JSON types: ids and times as text."""
    return cast(dict[str, Any], _adapter(cast(Hashable, type(value))).dump_python(value, mode="json"))


def to_json_text(value: Event | Transcript) -> bytes:
    """What `to_json` gives as a JSON text in UTF-8, with null for numbers that are not finite.

    Raises ValueError for text with lone surrogates.
    """
    return _adapter(cast(Hashable, type(value))).dump_json(value)


def event_from_json(data: Mapping[str, Any], cls: type[E]) -> E:
    """The event that `to_json` wrote; raises Poison when it is none."""
    return cast(E, _value(dict(data), cls))


def transcript_from_json(data: Mapping[str, Any]) -> Transcript:
    """The transcript that `to_json` wrote; raises Poison when it is none."""
    return cast(Transcript, _value(dict(data), Transcript))


def encode_transcript(transcript: Transcript) -> bytes:
    """A transcript as an Avro object container file, the form in which a claim check is kept: it names its own schema."""
    out = io.BytesIO()
    fastavro.writer(out, current_schema("Transcript"), [_plain(transcript)], codec="null", strict=True)
    return out.getvalue()


def decode_transcript(body: bytes) -> Transcript:
    """The transcript of a claim check, in the form of today or of before; raises Poison when it is none."""
    data = _contained(body) if body.startswith(CONTAINER_MAGIC) else _read_avro(body, _bare_schema(), "Transcript")
    return cast(Transcript, _value(data, Transcript))


def _contained(body: bytes) -> Any:
    try:
        reader = fastavro.reader(io.BytesIO(body), reader_schema=current_schema("Transcript"))
        if reader.codec != "null":  # a few bytes could become gigabytes
            raise Poison(f"a transcript compressed with {reader.codec}")
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
    """The schema of claim checks of earlier versions, which do not say it: that inside the results of their time."""
    result = ManifestStore().schema_of(BARE_RESULT_ID)
    field = next(field for field in result["fields"] if field["name"] == "transcript")
    return cast(Schema, next(kind for kind in field["type"] if isinstance(kind, dict)))
