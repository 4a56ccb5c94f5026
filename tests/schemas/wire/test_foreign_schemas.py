"""Producers with schemas of their own: whatever Avro resolves is read, and what it does not says which schema it was."""

import copy
from collections.abc import Callable
from typing import Any

import fastavro
import pytest

from schemas.errors import InvalidEvent, Poison
from schemas.events import Event, JobRequested, JobResult, Outcome
from schemas.wire.avro_reading import Schema, check_shape, current_schema
from schemas.wire.serde import Serde
from tests.foreign import body_of, framed, javas, plain, without_logic
from tests.samples import BARE_REQUEST, FULL_REQUEST, SAMPLES

FOREIGN_ID = 4711


class Registry:
    """Knows one foreign schema."""

    def __init__(self, schema: Any) -> None:
        self.schema: Schema = fastavro.parse_schema(schema)  # type: ignore[assignment]

    def id_of(self, event_name: str) -> int:
        raise AssertionError(event_name)

    def schema_of(self, schema_id: int) -> Schema:
        assert schema_id == FOREIGN_ID
        return self.schema

    def knows(self, schema_id: int) -> bool:
        return schema_id == FOREIGN_ID

    def writer_for(self, event_name: str, plain: dict[str, Any]) -> tuple[int, Schema]:
        raise AssertionError(event_name)


def ours(kind: str) -> Any:
    return {k: v for k, v in copy.deepcopy(current_schema(kind)).items() if not k.startswith("__")}


def read(event: Event, schema: Any, data: dict[str, Any] | None = None) -> Event:
    """The event that our reader makes of one that was written by a foreign schema."""
    registry = Registry(schema)
    plain_schema = fastavro.parse_schema(without_logic(registry.schema))
    body = body_of(plain_schema, plain(event) if data is None else data)
    return Serde(registry).decode(framed(FOREIGN_ID, body), type(event))


def fields_of(schema: Any) -> dict[str, Any]:
    return {field["name"]: field for field in schema["fields"]}


@pytest.mark.parametrize("name", SAMPLES)
def test_classes_that_java_generated_write_what_we_read(name: str) -> None:
    """A namespace of their own, nested records too, and strings that say which class they become."""
    event = SAMPLES[name]
    assert read(event, javas(ours(event.KIND))) == event


@pytest.mark.parametrize("name", SAMPLES)
def test_fields_are_found_by_name_whatever_their_order(name: str) -> None:
    event = SAMPLES[name]
    schema = ours(event.KIND)
    schema["fields"].reverse()
    assert read(event, schema) == event


@pytest.mark.parametrize("name", ["JobRequested-full", "JobControl-full", "TenantPolicy-full", "JobResult-completed"])
def test_times_and_ids_of_a_schema_without_logical_types_are_read_by_ours(name: str) -> None:
    event = SAMPLES[name]
    assert read(event, without_logic(ours(event.KIND))) == event


def added(schema: Any) -> None:
    schema["fields"].insert(0, {"name": "origin", "type": "string"})
    schema["fields"].append({"name": "tags", "type": {"type": "array", "items": "string"}, "default": []})
    cost = {"type": "record", "name": "Cost", "fields": [{"name": "cents", "type": "long"}]}
    schema["fields"].append({"name": "cost", "type": ["null", cost], "default": None})


def aliased(schema: Any) -> None:
    schema["aliases"] = ["JobSubmitted"]
    fields_of(schema)["tenant"]["aliases"] = ["customer"]


def in_milliseconds(schema: Any) -> None:
    fields_of(schema)["requested_at"]["type"]["logicalType"] = "timestamp-millis"


def as_union(schema: Any) -> None:
    """What some generators make of every field."""
    for name in ("tenant", "priority", "run"):
        field = fields_of(schema)[name]
        field["type"] = ["null", field["type"]]
        field.pop("default", None)


MORE = {"origin": "crm", "tags": ["a"], "cost": {"cents": 3}}
MILLIS = 1_767_323_045_000


@pytest.mark.parametrize(
    ("change", "more"),
    [(added, MORE), (aliased, {}), (in_milliseconds, {"requested_at": MILLIS}), (as_union, {})],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_schema_that_differs_is_resolved(change: Callable[[Any], None], more: dict[str, Any]) -> None:
    schema = ours("JobRequested")
    change(schema)
    event = read(FULL_REQUEST, schema, {**plain(FULL_REQUEST), **more})
    assert isinstance(event, JobRequested)
    assert (event.job_id, event.tenant, event.options) == (FULL_REQUEST.job_id, "acme", FULL_REQUEST.options)
    assert abs((event.requested_at - FULL_REQUEST.requested_at).total_seconds()) < 1


def test_a_time_without_a_zone_is_a_wrong_value() -> None:
    schema = ours("JobRequested")
    fields_of(schema)["requested_at"]["type"]["logicalType"] = "local-timestamp-micros"
    with pytest.raises(InvalidEvent, match="requested_at: must have a time zone") as raised:
        read(FULL_REQUEST, schema)
    assert raised.value.answer is not None


def test_fields_that_are_missing_have_their_defaults() -> None:
    schema = ours("JobRequested")
    needed = {"job_id", "tenant", "source", "options", "requested_at"}
    schema["fields"] = [field for field in schema["fields"] if field["name"] in needed]
    assert read(BARE_REQUEST, schema) == BARE_REQUEST


def test_a_wrong_value_in_a_foreign_schema_is_answered() -> None:
    data = {**plain(FULL_REQUEST), "priority": "URGENT", "expires_at": 2**63 - 1}
    with pytest.raises(InvalidEvent, match="expires_at") as raised:
        read(FULL_REQUEST, javas(ours("JobRequested")), data)
    assert raised.value.answer is not None


def as_symbols(schema: Any) -> None:
    fields_of(schema)["priority"]["type"] = {"type": "enum", "name": "Priority", "symbols": ["standard", "express"]}
    del fields_of(schema)["priority"]["default"]


def as_long(schema: Any) -> None:
    fields_of(schema)["run"]["type"] = "long"


def as_text(schema: Any) -> None:
    fields_of(schema)["requested_at"]["type"] = "string"


@pytest.mark.parametrize(
    ("change", "more"),
    [(as_symbols, {}), (as_long, {}), (as_text, {"requested_at": FULL_REQUEST.requested_at.isoformat()})],
)
def test_other_types_that_say_the_same_are_read(change: Callable[[Any], None], more: dict[str, Any]) -> None:
    """Although Avro does not resolve them to ours."""
    schema = ours("JobRequested")
    change(schema)
    assert read(FULL_REQUEST, schema, {**plain(FULL_REQUEST), **more}) == FULL_REQUEST


def without(*names: str) -> Callable[[Any], None]:
    def change(schema: Any) -> None:
        schema["fields"] = [field for field in schema["fields"] if field["name"] not in names]

    return change


def without_uri(schema: Any) -> None:
    source = fields_of(schema)["source"]["type"]
    source["fields"] = [field for field in source["fields"] if field["name"] != "uri"]


def maybe(name: str) -> Callable[[Any], None]:
    def change(schema: Any) -> None:
        field = fields_of(schema)[name]
        field["type"] = ["null", field["type"]]
        field["default"] = None

    return change


@pytest.mark.parametrize(
    ("change", "more", "field"),
    [
        (without("requested_at"), {}, "requested_at"),
        (without("source"), {}, "source"),
        (without_uri, {}, "source.uri"),
        (maybe("priority"), {"priority": None}, "priority"),
        (maybe("source"), {"source": None}, "source"),
        (as_long, {"run": 2**40}, "run"),
        (as_text, {"requested_at": "yesterday"}, "requested_at"),
        (as_text, {"requested_at": "2026-01-31T12:00:00"}, "requested_at"),
    ],
    ids=["no time", "no source", "no address", "null", "null source", "2^40", "no such time", "no zone"],
)
def test_the_job_of_a_schema_that_does_not_fit_hears_what_is_wrong(
    change: Callable[[Any], None], more: dict[str, Any], field: str
) -> None:
    schema = ours("JobRequested")
    change(schema)
    with pytest.raises(InvalidEvent, match=field) as raised:
        read(FULL_REQUEST, schema, {**plain(FULL_REQUEST), **more})
    answer = raised.value.answer
    assert isinstance(answer, JobResult)
    assert (answer.job_id, answer.tenant, answer.outcome) == (FULL_REQUEST.job_id, "acme", Outcome.FAILED)
    assert answer.request.webhook_url == FULL_REQUEST.webhook_url


def number_for_text(schema: Any) -> None:
    fields_of(schema)["tenant"]["type"] = "long"


@pytest.mark.parametrize(("change", "more"), [(without("tenant"), {}), (number_for_text, {"tenant": 7})])
def test_nobody_is_answered_where_it_cannot_be_read_whose_the_job_is(
    change: Callable[[Any], None], more: dict[str, Any]
) -> None:
    schema = ours("JobRequested")
    change(schema)
    with pytest.raises(InvalidEvent, match="tenant") as raised:
        read(FULL_REQUEST, schema, {**plain(FULL_REQUEST), **more})
    assert raised.value.answer is None


@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", ["recording_id", "cost"], ids=["of ours", "of theirs"])
@pytest.mark.parametrize("fitting", [True, False])
def test_a_number_of_a_megabyte_is_not_made(place: str, fitting: bool) -> None:
    """Its digits take minutes, in which every other thread stands still."""
    schema = ours("JobRequested")
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
    schema["fields"] = [field for field in schema["fields"] if field["name"] != place]
    schema["fields"].append({"name": place, "type": decimal})
    if not fitting:
        as_long(schema)
    found = read(FULL_REQUEST, schema, {**plain(FULL_REQUEST), place: b"7" * 900_000})
    assert isinstance(found, JobRequested)


def record(name: str, *types: Any) -> Any:
    fields = [{"name": f"f{number}", "type": kind} for number, kind in enumerate(types)]
    return {"type": "record", "name": name, "fields": fields}


def doubled(depth: int, last: Any) -> Any:
    """A record of two of the next one, and so on: `last` is there 2^depth times."""
    schema = record(f"Z{depth}", last)
    for number in reversed(range(depth)):
        schema = record(f"Z{number}", schema, f"Z{number + 1}")
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        record("T", record("Node", ["null", "Node"])),
        record("T", {"type": "map", "values": record("Node", {"type": "array", "items": "Node"})}),
        record("T", {"type": "array", "items": "null"}),
        record("T", record("Empty"), {"type": "array", "items": "Empty"}),
        record("T", {"type": "array", "items": {"type": "fixed", "name": "None", "size": 0}}),
        record("T", doubled(30, "null")),
        record("T", ["null", doubled(30, "null")]),
        record("T", {"type": "map", "values": record("Many", "int", *["null"] * 9)}),
        record("T", {"type": "array", "items": record("Many", "int", *["null"] * 9)}),
        record("T", {"type": "array", "items": ["null", record("Many", "int", *["null"] * 9)]}),
    ],
    ids=[
        "inside itself",
        "inside itself deeply",
        "nulls",
        "empty records",
        "empty bytes",
        "2^30 nulls",
        "2^30 nulls or none",
        "a map of many for a byte",
        "many for a byte",
        "many for a byte or none",
    ],
)
def test_a_schema_by_which_few_bytes_never_end_is_not_read_by(schema: Any) -> None:
    """The first kind ends the process: the library recurses in C."""
    with pytest.raises(Poison, match="its schema has"):
        check_shape(fastavro.parse_schema(schema))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["JobRequested", "TranscriptReady", "JobResult", "EnhancementResult", "TenantPolicy"])
def test_our_own_schemas_have_no_such_shape(name: str) -> None:
    check_shape(current_schema(name))
    check_shape(fastavro.parse_schema(javas(ours(name))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "schema",
    [
        record("T", record("Empty"), "null", doubled(5, "null")),
        record("T", {"type": "map", "values": "null"}),
        record("T", doubled(30, "int")),  # its bytes end it
        record("T", {"type": "array", "items": ["null", record("One", "int", "null")]}),
    ],
    ids=["a few nulls", "a set as a map", "2^30 numbers", "optional items with a null"],
)
def test_a_schema_with_few_values_of_no_bytes_is_read_by(schema: Any) -> None:
    check_shape(fastavro.parse_schema(schema))  # type: ignore[arg-type]
