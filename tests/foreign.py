"""Records as producers write them that are none of ours: any value in any field, and schemas of their own."""

import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import fastavro

from schemas.events import Event
from schemas.wire.avro_reading import Schema, current_schema
from schemas.wire.serde import ManifestStore, to_json

_STORE = ManifestStore()
_PARSED = ("__fastavro_parsed__", "__named_schemas")


def raw(event: Event, changes: Mapping[str, Any] | None = None) -> bytes:
    """The event in our wire format with `changes` by dotted field, of which no logical type judges the values."""
    schema = fastavro.parse_schema(widened(without_logic(current_schema(event.KIND))))
    data = plain(event)
    for field, value in (changes or {}).items():
        *path, name = field.split(".")
        holder = data
        for step in path:
            holder = holder[step]
        holder[name] = value
    return framed(_STORE.id_of(event.KIND), body_of(schema, data))


def framed(schema_id: int, body: bytes) -> bytes:
    return b"\x00" + schema_id.to_bytes(4, "big") + body


def body_of(schema: Any, data: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, data)
    return out.getvalue()


def plain(event: Event) -> dict[str, Any]:
    """The event as JSON types, times in microseconds."""
    data: dict[str, Any] = _numbered(to_json(event), current_schema(event.KIND))
    return data


def _numbered(value: Any, schema: Any) -> Any:
    if isinstance(schema, list):
        return None if value is None else _numbered(value, next(s for s in schema if s != "null"))
    if isinstance(schema, str) and schema.startswith("scribe."):
        return _numbered(value, current_schema(schema.removeprefix("scribe.")))
    match schema:
        case {"logicalType": "timestamp-micros"}:
            return round(datetime.fromisoformat(value).timestamp() * 1_000_000)
        case {"type": "record", "fields": fields}:
            return {field["name"]: _numbered(value[field["name"]], field["type"]) for field in fields}
        case {"type": "array", "items": items}:
            return [_numbered(item, items) for item in value]
    return value


def without_logic(schema: Any) -> Any:
    """A schema whose logical types are their plain ones."""
    if isinstance(schema, list):
        return [without_logic(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: without_logic(item) for name, item in schema.items() if name not in ("logicalType", *_PARSED)}


def widened(schema: Any) -> Any:
    """A schema that writes the same bytes, and numbers of any size."""
    if isinstance(schema, list):
        return [widened(item) for item in schema]
    if isinstance(schema, dict):
        return {name: widened(item) for name, item in schema.items()}
    return "long" if schema == "int" else schema


def javas(schema: Any, namespace: str = "com.acme.events") -> Any:
    """The schema as classes that Java generated have it: their namespace, and strings that say what they become."""
    match schema:
        case list():
            return [javas(item, namespace) for item in schema]
        case "string":
            return {"type": "string", "avro.java.string": "String"}
        case str() if schema.startswith("scribe."):
            return schema.replace("scribe", namespace, 1)
        case {"type": "string"}:
            return {**schema, "avro.java.string": "String"}
        case dict():
            kept: Schema = {name: value for name, value in schema.items() if name not in (*_PARSED, "namespace")}
            for name in ("type", "items", "values"):
                if name in kept:
                    kept[name] = javas(kept[name], namespace)
            if "fields" in kept:
                kept["fields"] = [javas(field, namespace) for field in kept["fields"]]
            if kept.get("type") == "record":
                kept["name"] = kept["name"].replace("scribe", namespace, 1)
            return kept
    return schema
