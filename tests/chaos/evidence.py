"""Gathers what the checker judges: every topic as read_committed readers see it, the tables, the objects, the calls."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from confluent_kafka import Consumer, IsolationLevel, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from psycopg.rows import dict_row

from deploy.local.receiver import Received
from producers.kafka.moved_leaders import committed, watermarks
from schemas import topics
from schemas.errors import Poison
from schemas.events import JobControl, JobRequested, JobResult, Stage, TranscriptReady
from schemas.settings.outbound import OutboundSettings
from schemas.wire.headers import ERROR_CODE, Origin, attempt_of, origin_of, read_headers
from schemas.wire.serde import Serde
from sink.objects.s3 import S3ObjectStore
from sink.webhooks.secrets import SecretBox
from sink.webhooks.signature import SIGNATURE, TIMESTAMP, message_id, signed_headers
from tests import executions
from tests.chaos.facts import Call, Delivery, Facts, Letter, Move, Order, Place, Result, Row, Scrape
from tests.chaos.load import Load
from tests.chaos.names import renamed
from tests.chaos.parts import Parts
from tests.chaos.plan import Plan
from tests.integration.gpu import read_topic

SERDE = Serde()
GAVE_BACK = ": gave back "
PARTITION = re.compile(r"([\w.-]+)\[(\d+)\]")
_ROWS = """
SELECT job_id, state, run, result_event_id, transcript_uri,
    (SELECT count(*) FROM segments WHERE segments.job_id = jobs.job_id) AS segments FROM jobs"""
_RECORDINGS = "SELECT recording_id, count(*) AS jobs FROM jobs WHERE recording_id IS NOT NULL GROUP BY recording_id"
_HISTORY = "SELECT job_id, array_agg(state ORDER BY id) AS states FROM job_events GROUP BY job_id"
_APPLIED = "SELECT event_id, extract(epoch FROM applied_at)::float8 AS at FROM applied_events"
_DELIVERIES = """
SELECT delivery_id, event_id, job_id, state, attempt,
    (SELECT count(*) FROM webhook_attempts a WHERE a.delivery_id = d.delivery_id AND a.status IS NULL) AS unknown
FROM webhook_deliveries d"""
GROUPS = (topics.TRANSCRIBERS, topics.DIARIZERS, topics.PERSIST, topics.WEBHOOKS)


ODD = b"odd"
"""The key of records that a run brings beside its plan, which are nobody's job."""


def _ours(messages: list[Any]) -> list[Any]:
    return [message for message in messages if message.key() != ODD]


def gathered(plan: Plan, parts: Parts, load: Load, calls: Sequence[Call], scrapes: Sequence[Scrape]) -> Facts:
    """All that is known after a run, when its processes have ended."""
    topic_names = [renamed(topic, parts.prefix) for topic in topics.TOPICS]
    read = {topic: _ours(read_topic(parts.stack.kafka_bootstrap, topic)) for topic in topic_names}
    jobs = read[renamed(topics.JOBS, parts.prefix)]
    gpu = [renamed(group, parts.prefix) for group in (topics.TRANSCRIBERS, topics.DIARIZERS)]
    transcripts, results = (read[renamed(topic, parts.prefix)] for topic in (topics.TRANSCRIPTS, topics.RESULTS))
    records, undecodable, killing = _requests(jobs, transcripts)
    return Facts(
        jobs=plan.planned,
        accepted=frozenset(load.accepted),
        records=records,
        undecodable=undecodable,
        killing=killing,
        results=[_result(message) for message in results],
        claims=frozenset(_claims(transcripts, results)),
        orders=_orders(read[renamed(topics.CONTROL, parts.prefix)]),
        answers=load.rest.submitted if load.rest else {},
        cancels=load.cancels,
        dead=[_letter(message) for topic in topic_names if topic.endswith(".dlq") for message in read[topic]],
        retried=[_letter(message) for topic in topic_names if ".retry." in topic for message in read[topic]],
        places=list(_places(parts, read)),
        unstable=_unstable(parts.stack.kafka_bootstrap, read),
        visible=frozenset(f"{m.topic()}/{m.partition()}/{m.offset()}" for found in read.values() for m in found),
        executions=executions.read(parts.executions),
        harms=parts.harms,
        moves=[move for log in parts.logs("gpu") for move in _moves(log)],
        calls=calls,
        scrapes=scrapes,
        gpu_dlqs=frozenset(topics.dlq_topic(group) for group in gpu),
        objects=_objects(parts),
        **_tables(parts.dsn),
    )


Places = dict[bytes, list[str]]


def _moves(log: Path) -> Iterator[Move]:
    """What a GPU process says it gave back; its log is called as it is."""
    for line in log.read_text(errors="replace").splitlines():
        if GAVE_BACK not in line:
            continue
        said = json.loads(line)
        at = datetime.fromisoformat(said["timestamp"]).timestamp()
        for topic, number in PARTITION.findall(said["event"].partition(GAVE_BACK)[2]):
            yield Move(log.stem, f"{topic}/{number}", at)


def _requests(
    jobs: "Sequence[Message[Any, Any]]", transcripts: "Sequence[Message[Any, Any]]"
) -> tuple[Counter[tuple[UUID, int]], Places, Places]:
    """Records by job and run, and where what cannot be decoded lies, and what kills."""
    records: Counter[tuple[UUID, int]] = Counter()
    undecodable: Places = defaultdict(list)
    killing: Places = defaultdict(list)
    for message in (*jobs, *transcripts):
        value, place = message.value() or b"", f"{message.topic()}/{message.partition()}/{message.offset()}"
        first = message.topic() == jobs[0].topic()
        try:
            request = SERDE.decode(value, JobRequested) if first else SERDE.decode(value, TranscriptReady).request
        except Poison:
            undecodable[value].append(place)
            continue
        if first:
            records[request.job_id, request.run] += 1
        if request.metadata["fake-outcome"] == "kill" and _kills_here(request.metadata, first=first):
            killing[value].append(place)
    return records, undecodable, killing


def _kills_here(orders: Mapping[str, str], *, first: bool) -> bool:
    return orders.get("fake-stage", Stage.TRANSCRIBING) == (Stage.TRANSCRIBING if first else Stage.DIARIZING)


def _result(message: "Message[Any, Any]") -> Result:
    event = SERDE.decode(message.value(), JobResult)
    code = event.error.code if event.error else None
    at = event.completed_at.timestamp()
    return Result(event.job_id, event.run, event.event_id, str(event.outcome), code, at)


def _claims(transcripts: "Sequence[Message[Any, Any]]", results: "Sequence[Message[Any, Any]]") -> Iterator[str]:
    for message in (*transcripts, *results):
        with suppress(Poison):
            event = SERDE.decode(message.value(), JobResult if message in results else TranscriptReady)
            if isinstance(event, JobResult | TranscriptReady) and event.claim_check is not None:
                yield event.claim_check.uri


def _orders(messages: "Sequence[Message[Any, Any]]") -> dict[UUID, Order]:
    """By job; the time is that of the record, since when the GPU processes can see it."""
    found: dict[UUID, Order] = {}
    for message in messages:
        order, (_, milliseconds) = SERDE.decode(message.value(), JobControl), message.timestamp()
        found.setdefault(order.job_id, Order(order.run, milliseconds / 1000))
    return found


def _letter(message: "Message[Any, Any]") -> Letter:
    headers = read_headers(message.headers())  # type: ignore[arg-type]
    topic = message.topic() or ""
    origin = origin_of(headers, Origin(topic, message.partition() or 0, message.offset() or 0))
    place = f"{origin.topic}/{origin.partition}/{origin.offset}"
    return Letter(topic, place, attempt_of(headers), message.value(), headers.get(ERROR_CODE, ""))


def _places(parts: Parts, read: "dict[str, list[Message[Any, Any]]]") -> Iterator[Place]:
    for group in GROUPS:
        options = {"bootstrap.servers": parts.stack.kafka_bootstrap, "isolation.level": "read_uncommitted"}
        consumer = Consumer({**options, "group.id": renamed(group, parts.prefix)})
        for topic in (renamed(name, parts.prefix) for name in topics.READS[group]):
            asked = [TopicPartition(topic, number) for number in range(parts.partitions)]
            for found in committed(consumer, asked, 20):
                last = max((m.offset() or 0 for m in read[topic] if m.partition() == found.partition), default=-1)
                _, end = watermarks(consumer, TopicPartition(topic, found.partition), 20)
                exact = group in (topics.TRANSCRIBERS, topics.DIARIZERS)
                yield Place(group, topic, found.partition, found.offset, last, end, exact)
        consumer.close()


def _unstable(bootstrap: str, read: "dict[str, list[Message[Any, Any]]]") -> list[str]:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    ends = []
    for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED):
        metadata = admin.list_topics(timeout=90).topics
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(t, p): latest for t in read for p in metadata[t].partitions}
        futures = admin.list_offsets(asked, isolation_level=level)
        ends.append({(t.topic, t.partition): future.result().offset for t, future in futures.items()})
    stable, high = ends
    return [f"{t} [{p}] is stable up to {stable[t, p]} of {high[t, p]}" for t, p in high if stable[t, p] != high[t, p]]


def _objects(parts: Parts) -> frozenset[str]:
    client = parts.stack.s3.client()
    store = S3ObjectStore(parts.object_store)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=parts.bucket)
    found = frozenset(store.uri(item["Key"]) for page in pages for item in page.get("Contents", ()))
    store.close()
    client.close()
    return found


def _tables(dsn: str) -> dict[str, Any]:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        queries = (_ROWS, _RECORDINGS, _HISTORY, _APPLIED, _DELIVERIES)
        rows, recordings, history, applied, deliveries = (connection.execute(query).fetchall() for query in queries)
    return {
        "rows": {row["job_id"]: Row(*(row[name] for name in Row.__dataclass_fields__)) for row in rows},
        "recordings": {row["recording_id"]: row["jobs"] for row in recordings},
        "histories": {row["job_id"]: row["states"] for row in history},
        "applied": {row["event_id"]: row["at"] for row in applied},
        "deliveries": [
            Delivery(
                message_id(row["delivery_id"]),
                row["event_id"],
                row["job_id"],
                row["state"],
                row["attempt"],
                row["unknown"],
            )
            for row in deliveries
        ],
    }


def calls_of(dsn: str, key: str, received: Sequence[tuple[float, Received]]) -> list[Call]:
    """The calls with their signatures checked, however old they are; `received` with their unix seconds."""
    box = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": key}))
    with psycopg.connect(dsn) as connection:
        sealed = connection.execute("SELECT endpoint_id, secret FROM webhook_endpoints").fetchall()
    secrets = [box.open(bytes(secret), endpoint) for endpoint, secret in sealed]
    return [Call(at, call.webhook_id, any(_verifies(call, secret) for secret in secrets)) for at, call in received]


def _verifies(call: Received, secret: bytes) -> bool:
    timestamp = int(call.headers.get(TIMESTAMP, "0"))
    expected = signed_headers([secret], call.webhook_id, timestamp, call.body)
    return expected[SIGNATURE] in call.headers.get(SIGNATURE, "").split()
