"""Events by the schemas of others, in the registry: Java's strings, another order, missing and added fields, none of ours."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import avro.io
import avro.schema
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from schemas import topics
from schemas.events import Event
from schemas.wire.release import schema_text
from tests.integration.foreign.avro_values import plain
from tests.integration.foreign.clients import Foreign, Librdkafka
from tests.integration.foreign.goods import Good, Goods, Seen, behind, settled
from tests.integration.foreign.service import WholeService

Json = dict[str, Any]
READ = {
    topics.JOBS: "JobRequested",
    topics.TRANSCRIPTS: "TranscriptReady",
    topics.RESULTS: "JobResult",
    topics.ENHANCEMENTS: "EnhancementResult",
    topics.CONTROL: "JobControl",
    topics.TENANTS: "TenantPolicy",
}
EXTRA: list[Json] = [
    {"name": "trace", "type": ["null", "string"], "default": None},
    {"name": "cost", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "digest", "type": {"type": "fixed", "name": "Digest", "namespace": "com.example", "size": 4}},
    {"name": "colour", "type": {"type": "enum", "name": "Colour", "namespace": "com.example", "symbols": ["RED"]}},
    {"name": "parts", "type": {"type": "array", "items": {"type": "map", "values": "double"}}},
]
EXTRA_VALUES: Json = {"trace": "t", "cost": Decimal("1.25"), "digest": b"abcd", "colour": "RED", "parts": [{"a": 1.5}]}


def java(schema: Any) -> Any:
    """As Avro's compiler for Java writes it: every string says that it is to be a java.lang.String."""
    if schema == "string":
        return {"type": "string", "avro.java.string": "String"}
    if isinstance(schema, list):
        return [java(part) for part in schema]
    if isinstance(schema, dict):
        made = {key: java(value) if key in ("type", "items", "values") else value for key, value in schema.items()}
        if schema.get("type") == "string":
            return {**made, "type": "string", "avro.java.string": "String"}
        return {**made, "fields": [java(field) for field in schema["fields"]]} if "fields" in schema else made
    return schema


def reversed_fields(schema: Json) -> Json:
    """The fields of the event itself from the last to the first; what is inside of it keeps its order."""
    return {**schema, "fields": _inlined_first(list(reversed(schema["fields"])))}


def _inlined_first(fields: list[Json]) -> list[Json]:
    """The same fields where every type is described when it is met first."""
    found: dict[str, Json] = {}

    def learn(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "record":
                found.setdefault(node["name"], node)
            for value in node.values():
                learn(value)
        elif isinstance(node, list):
            for value in node:
                learn(value)

    learn(fields)
    told: set[str] = set()

    def tell(node: Any) -> Any:
        name = node if isinstance(node, str) else node.get("name") if isinstance(node, dict) else None
        if name in found and (isinstance(node, str) or node.get("type") == "record"):
            if name in told:
                return name
            told.add(name)
            return {**found[name], "fields": [{**f, "type": tell(f["type"])} for f in found[name]["fields"]]}
        if isinstance(node, list):
            return [tell(part) for part in node]
        if isinstance(node, dict):
            return {key: tell(value) if key in ("type", "items", "values") else value for key, value in node.items()}
        return node

    return [{**field, "type": tell(field["type"])} for field in fields]


def without_defaults(schema: Json) -> Json:
    """Only what a reader cannot do without."""
    return {**schema, "fields": _inlined_first([field for field in schema["fields"] if "default" not in field])}


def with_extra(schema: Json) -> Json:
    """Fields that nobody here knows, of every kind, at the beginning and the end."""
    return {**schema, "fields": [EXTRA[0], *schema["fields"], *EXTRA[1:]]}


def swapped_unions(schema: Json) -> Json:
    """Every optional field with null behind its type, and the defaults that this asks for."""

    def swapped(field: Json) -> Json:
        if not (isinstance(field["type"], list) and field["type"][0] == "null"):
            return field
        return {"name": field["name"], "type": [*field["type"][1:], "null"]}

    return {**schema, "fields": [swapped(field) for field in schema["fields"]]}


FITTING: dict[str, Callable[[Json], Json]] = {
    "of a Java program": java,
    "in another order": reversed_fields,
    "without optional fields": without_defaults,
    "with fields of its own": with_extra,
    "with unions turned round": swapped_unions,
}
LEAST: dict[str, Callable[[Any, Seen], str | None]] = {
    topics.JOBS: lambda event, seen: None if is_over(seen, event, "completed") else "not completed",
    # without their transcripts
    topics.TRANSCRIPTS: lambda event, seen: None if is_over(seen, event, "failed") else "not failed",
    topics.RESULTS: lambda event, seen: None if is_over(seen, event, "failed") else "not failed",
    topics.TENANTS: lambda event, seen: None if event.tenant in seen.policies else "no such policy",
}
"""What still comes of an event that says no more than it must."""
STRANGE: dict[str, tuple[str, str]] = {
    "of another name": ("AVRO", json.dumps({"type": "record", "name": "com.example.Order", "fields": []})),
    "that is no record": ("AVRO", json.dumps("string")),
    "an enum": ("AVRO", json.dumps({"type": "enum", "name": "scribe.JobRequested", "symbols": ["A"]})),
    "of our name with other fields": (
        "AVRO",
        json.dumps({"type": "record", "name": "scribe.JobRequested", "fields": [{"name": "job_id", "type": "int"}]}),
    ),
    "inside of itself": (
        "AVRO",
        json.dumps(
            {
                "type": "record",
                "name": "scribe.JobRequested",
                "fields": [{"name": "next", "type": ["null", "scribe.JobRequested"]}],
            }
        ),
    ),
    "of things that take no bytes": (
        "AVRO",
        json.dumps(
            {
                "type": "record",
                "name": "scribe.JobRequested",
                "fields": [{"name": "parts", "type": {"type": "array", "items": "null"}}],
            }
        ),
    ),
    "of JSON": ("JSON", json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "title": "JobRequested"})),
    "of Protobuf": ("PROTOBUF", 'syntax = "proto3"; message JobRequested { string job_id = 1; }'),
}


BODIES = (b"", b"\x00", b"\x02" * 400_000, b"\xfe" + b"\xff" * 8 + b"\x01")
"""The last two: as many records inside each other, and so many items that counting them takes years."""


@dataclass(frozen=True)
class Written:
    """What is missing of good events by schema and topic, and of good ones behind those of strange schemas."""

    missing: dict[tuple[str, str], str]
    behind: dict[str, str]


@pytest.fixture(scope="module")
def written(service: WholeService, librdkafka: Librdkafka, registry_url: str) -> Written:
    return write(service, librdkafka, registry_url)


def write(service: WholeService, librdkafka: Librdkafka, registry_url: str) -> Written:
    """Every schema to every topic, each event by its bytes in that schema."""
    cases: dict[tuple[str, str], Good] = {}
    goods = Goods(service)
    with SchemaRegistryClient({"url": registry_url}) as registry:
        for what, change in FITTING.items():
            for name, event_name in READ.items():
                text = json.dumps(change(json.loads(schema_text(event_name))))
                good = goods.sample_for(name)
                if what == "without optional fields" and (least := LEAST.get(name)) is not None:
                    good = replace(good, missing=partial(least, job_of(service, good)))
                value = written_by(registry, text, service, good, event_name)
                cases[what, name] = good.altered(value=value)
        strange = [registered(registry, kind, text).to_bytes(4, "big") for kind, text in STRANGE.values()]
    librdkafka.send(*(good.record for good in cases.values()))
    bodies = [b"\x00" + ident + body for ident in strange for body in BODIES]
    librdkafka.send(*(Foreign(service.topic(name), value, b"key") for name in READ for value in bodies))
    last = behind(service, list(READ))
    librdkafka.send(*(good.record for good in last))
    missing = settled(service, [*cases.values(), *last])
    found = {case: missing[number] for number, case in enumerate(cases) if number in missing}
    lacks = {good.name: missing[n] for n, good in enumerate(last, len(cases)) if n in missing}
    return Written(found, lacks)


def is_over(seen: Seen, event: Any, state: str) -> bool:
    """Whether its job has ended so."""
    row = seen.rows.get(event.job_id)
    return row is not None and row.state == state


def job_of(service: WholeService, good: Good) -> Event:
    """The event in a good record."""
    return service.serde.decode_any(good.record.value)


def registered(registry: SchemaRegistryClient, kind: str, text: str) -> int:
    """The id of a schema of a stranger, under a subject of his own."""
    return int(registry.register_schema(f"stranger-{uuid4().hex[:8]}-value", Schema(text, kind)))


def written_by(registry: SchemaRegistryClient, text: str, service: WholeService, good: Good, event_name: str) -> bytes:
    """The event of a good record by another schema, as Apache's own library writes it."""
    ident = registered(registry, "AVRO", text)
    schema = avro.schema.parse(text)
    event = service.serde.decode_any(good.record.value)
    out = io.BytesIO()
    values = {**EXTRA_VALUES, **as_text(plain(event))}
    avro.io.DatumWriter(schema).write(fitted(values, schema), avro.io.BinaryEncoder(out))
    return b"\x00" + ident.to_bytes(4, "big") + out.getvalue()


def as_text(value: Any) -> Any:
    """The same with ids as text, which is how Apache's library wants them."""
    match value:
        case dict():
            return {name: as_text(found) for name, found in value.items()}
        case list() | tuple():
            return [as_text(found) for found in value]
        case UUID():
            return str(value)
    return value


def fitted(value: Any, schema: Any) -> Any:
    """A record's values without those that its schema does not have."""
    if not isinstance(schema, avro.schema.RecordSchema):
        return value
    return {field.name: value[field.name] for field in schema.fields}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("what", FITTING)
def test_an_event_by_a_schema_that_fits_is_read(written: Written, what: str, name: str) -> None:
    lack = written.missing.get((what, name))
    assert lack is None


@pytest.mark.parametrize("name", READ)
def test_schemas_that_do_not_fit_hold_up_nobody(written: Written, name: str) -> None:
    lack = written.behind.get(name)
    assert lack is None


def test_no_process_has_ended(written: Written, service: WholeService) -> None:
    assert service.ended_processes == {}
    assert service.parts.pids() == service.pids
