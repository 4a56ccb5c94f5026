"""Valid records of every topic, damaged at random by a seed; and what of them can still be read."""

import io
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import UUID

import fastavro

from schemas import topics
from schemas.errors import Permanent
from schemas.events import (
    EnhancementRequest,
    EnhancementResult,
    Event,
    JobControl,
    Options,
    Outcome,
    TenantPolicy,
    TranscriptReady,
    event_id,
)
from schemas.topics import TOPICS as DECLARED
from schemas.wire.avro_reading import current_schema
from schemas.wire.object_keys import check_tenant
from tests.integration.foreign.avro_values import framed, plain
from tests.integration.foreign.clients import Foreign
from tests.integration.foreign.service import WholeService
from tests.samples import AT, AUDIO, MODEL, TRANSCRIPT
from tests.streams.jobs import Job

TRIES = 20
HEADER = 5  # bytes: the zero, and the schema's id
ENDING = {"JobRequested": (), "TranscriptReady": ("request",), "JobResult": ("request",)}
"""Events whose readers owe somebody the end of a job, and the fields that say once more whose it is."""
WRONG: dict[type, tuple[Any, ...]] = {
    str: ("", "\x00", "zzz", "URGENT", "x" * 5000, "‮", "0" * 36),
    bool: (True, False),
    int: (0, -1, 1, 2**31 - 1, -(2**31)),
    float: (float("nan"), float("inf"), float("-inf"), -1.0, 1e308),
}
LONGS = (2**63 - 1, -(2**63), 0, -1)


@dataclass(frozen=True)
class Mutation:
    """A damaged record, how it came about, and whose job it is as far as that can be read."""

    record: Foreign
    how: str
    job: tuple[UUID, str] | None


def mutations(service: WholeService, name: str, event_name: str, count: int, seed: int) -> Iterator[Mutation]:
    """So many of one topic, the same for the same seed; `event_name` belongs there."""
    for number in range(count):
        chance = random.Random(f"{seed}/{name}/{number}")
        job_id = UUID(int=chance.getrandbits(128), version=4)
        job = Job(job_id, tenant=f"stranger-{number % 7}", webhook_url=service.receiver.url)
        event = sound_event(event_name, job)
        value = framed(service, event, plain(event))
        how, make = chance.choice(KINDS)
        damaged = make(service, event, value, chance)
        key = chance.choice((str(job_id).encode(), b"\xff\xfe", b"key"))
        record = Foreign(service.topic(name), damaged, key, partition=chance.randrange(2))
        yield Mutation(record, how, read_job(damaged, value[:HEADER], event_name))


def sound_event(event_name: str, job: Job) -> Event:
    """A good event about a job; nothing in it is of the moment or drawn."""
    wish = EnhancementRequest(enhancement_id=job.job_id, summarization=True)
    request = replace(job.request(), options=Options(language="en"), enhancement=wish, metadata={"crm": "42"})
    ids = {"job_id": job.job_id, "run": 1, "tenant": job.tenant}
    match event_name:
        case "JobRequested":
            return request
        case "TranscriptReady":
            ready = event_id(job.job_id, event_name, 1)
            words = {"transcript": TRANSCRIPT, "audio": AUDIO, "model": MODEL}
            return TranscriptReady(**ids, **words, event_id=ready, request=request.without_query(), completed_at=AT)  # type: ignore[arg-type]
        case "JobResult":
            return job.result(request=request.without_query())
        case "JobProgress":
            return job.progress(1, 1)
        case "JobControl":
            return JobControl(**ids, by="stranger", at=AT)  # type: ignore[arg-type]
        case "TenantPolicy":
            return TenantPolicy(tenant=f"ruled-{job.job_id}", models=("large-v3",), quotas={"queued": 5}, at=AT)
    fields = {"enhancement_id": job.job_id, "event_id": event_id(job.job_id, event_name, 1, str(job.job_id))}
    return EnhancementResult(**ids, **fields, outcome=Outcome.COMPLETED, summary="short", completed_at=AT)  # type: ignore[arg-type]


def event_at(name: str) -> str:
    """The event that belongs on a topic."""
    if (event := DECLARED[name].event) is not None:
        return event
    return "JobRequested" if name.startswith(topics.TRANSCRIBERS) else "TranscriptReady"


def _flip(_: WholeService, __: Event, value: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(value)
    for _number in range(chance.choice((1, 1, 2, 8))):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _cut(_: WholeService, __: Event, value: bytes, chance: random.Random) -> bytes:
    return value[: chance.randrange(len(value))]


def _lengthen(_: WholeService, __: Event, value: bytes, chance: random.Random) -> bytes:
    return value + chance.randbytes(chance.choice((1, 100, 10_000)))


def _swap(service: WholeService, event: Event, value: bytes, chance: random.Random) -> bytes:
    """Two values in each other's fields, where Avro takes them there."""
    for _number in range(TRIES):
        values = plain(event)
        first, second = chance.sample(list(values), 2)
        values[first], values[second] = values[second], values[first]
        with suppress(ValueError, TypeError, AttributeError, ArithmeticError):
            return framed(service, event, values)
    return _flip(service, event, value, chance)


def _other_schema(_: WholeService, __: Event, value: bytes, chance: random.Random) -> bytes:
    ident = chance.choice((chance.randrange(1, 10), chance.randrange(1000, 2**31), 2**32 - 1))
    return b"\x00" + ident.to_bytes(4, "big") + value[HEADER:]


def _wrong_values(service: WholeService, event: Event, _: bytes, chance: random.Random) -> bytes:
    """Some fields, at any depth, with values that Avro takes and no event has."""
    values = plain(event)
    for _number in range(chance.choice((1, 1, 2, 4))):
        path = chance.choice(list(_paths(current_schema(event.KIND), values)))
        _spoil(values, path, chance)
    return framed(service, event, values)


def _paths(schema: Any, values: dict[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every field that has a value, with the name of its Avro type."""
    for field in schema["fields"]:
        value = values.get(field["name"])
        kind = next((part for part in _parts(field["type"]) if part != "null"), "null")
        path = (*before, field["name"])
        name = kind["type"] if isinstance(kind, dict) else kind
        if name == "record" or (isinstance(kind, str) and kind.startswith("scribe.")):
            if isinstance(value, dict):
                yield from _paths(
                    kind if isinstance(kind, dict) else current_schema(kind.removeprefix("scribe.")), value, path
                )
        elif name in ("string", "int", "long", "float", "double", "boolean") and value is not None:
            yield path, name


def _parts(kind: Any) -> list[Any]:
    return kind if isinstance(kind, list) else [kind]


def _spoil(values: dict[str, Any], found: tuple[tuple[str, ...], str], chance: random.Random) -> None:
    path, kind = found
    place = values
    for name in path[:-1]:
        place = place[name]
    choices: dict[str, tuple[Any, ...]] = {
        "string": WRONG[str],
        "boolean": WRONG[bool],
        "int": WRONG[int],
        "long": LONGS,
        "float": WRONG[float],
        "double": WRONG[float],
    }
    place[path[-1]] = chance.choice(choices[kind])


Make = Callable[[WholeService, Event, bytes, random.Random], bytes]
KINDS: tuple[tuple[str, Make], ...] = (
    ("bits are flipped", _flip),
    ("it is cut off", _cut),
    ("something stands behind it", _lengthen),
    ("two fields are swapped", _swap),
    ("another schema's id", _other_schema),
    ("wrong values", _wrong_values),
)


@cache
def _bare(event_name: str) -> Any:
    """The schema without logical types: what is in a record, whether it makes sense or not."""
    return fastavro.parse_schema(_without_logic(current_schema(event_name)))


def _without_logic(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_logic(part) for part in schema]
    if isinstance(schema, dict):
        return {k: _without_logic(v) for k, v in schema.items() if k != "logicalType" and not k.startswith("__")}
    return schema


def read_job(value: bytes, header: bytes, event_name: str) -> tuple[UUID, str] | None:
    """The id and the tenant of the job whose end is owed, if all of the bytes can be read and say so without doubt."""
    if event_name not in ENDING or value[:HEADER] != header:
        return None
    stream = io.BytesIO(value[HEADER:])
    try:
        values: Any = fastavro.schemaless_reader(stream, _bare(event_name), None)
        if stream.tell() != len(value) - HEADER:
            return None
        fields = {_identity(values), *(_identity(values[name]) for name in ENDING[event_name])}
    except Exception:  # noqa: BLE001 - fastavro raises whatever the bytes provoke
        return None
    job_id, _, tenant = fields.pop()
    return None if fields else (job_id, tenant)


def _identity(values: dict[str, Any]) -> tuple[UUID, int, str]:
    """Raises ValueError or Permanent when it is nobody's."""
    try:
        return UUID(values["job_id"]), values["run"], check_tenant(values["tenant"])
    except Permanent as error:
        raise ValueError(str(error)) from error
