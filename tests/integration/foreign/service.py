"""The whole service as processes on topics of its own, and what its databases, topics and receivers tell of jobs."""

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from deploy.local.receiver import Received, Receiver
from deploy.local.stack import Stack
from producers.kafka.moved_leaders import committed, watermarks
from schemas import topics
from schemas.events import JobResult
from schemas.wire.avro_reading import current_schema
from schemas.wire.release import schema_text
from schemas.wire.serde import ManifestStore, Serde
from tests.chaos.names import renamed
from tests.chaos.parts import Parts
from tests.integration.gpu import read_topic

PROCESSES = ("gpu-0", "persist", "enhance", "webhooks", "dispatch")
PARTITIONS = 2
TIME_SCALE = 0.001  # the longest rung of the ladder is 3.6 s
ENDED = ("completed", "failed", "cancelled")
_ROWS = "SELECT job_id, tenant, run, state, error ->> 'code' AS code FROM jobs"


@dataclass(frozen=True)
class Row:
    """A job as it stands in the database."""

    tenant: str
    run: int
    state: str
    code: str | None


@dataclass
class WholeService:
    """`arrivals`: every webhook and when it came (monotonic seconds); `pids`: of the processes as they were started."""

    parts: Parts
    receiver: Receiver
    serde: Serde
    registry: str
    arrivals: list[tuple[float, Received]]
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        return self.parts.stack.kafka_bootstrap

    @property
    def ended_processes(self) -> dict[str, int]:
        """Processes that ended without having been asked to, by name and exit status."""
        return dict(self.parts.deaths)

    def topic(self, name: str) -> str:
        """The service's own topic of that name."""
        return renamed(name, self.parts.prefix)

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.parts.dsn) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def rows(self) -> dict[UUID, Row]:
        """Every job."""
        return {job_id: Row(*values) for job_id, *values in self.query(_ROWS)}

    def results(self) -> dict[UUID, list[JobResult]]:
        """Every readable result that is visible, by job."""
        found: dict[UUID, list[JobResult]] = defaultdict(list)
        for message in read_topic(self.bootstrap, self.topic(topics.RESULTS)):
            try:
                result = self.serde.decode(message.value(), JobResult)
            except Exception:  # noqa: BLE001 - what strangers wrote there
                continue
            found[result.job_id].append(result)
        return found

    def hooks(self) -> dict[UUID, list[str]]:
        """The types of all webhooks that came, by job."""
        return hooks_of(self.receiver)

    def waiting_hooks(self, patience: float = 90.0) -> list[tuple[UUID, str]]:
        """Webhooks whose event nobody has applied, by job and type, once nothing more comes of that."""
        query = "SELECT job_id, type FROM webhook_deliveries WHERE state = 'pending' AND next_attempt_at IS NULL"
        end = time.monotonic() + patience
        while (found := self.query(query)) and time.monotonic() < end:
            time.sleep(0.2)
        return [(job_id, kind) for job_id, kind in found]

    def committed(self, group: str, name: str) -> dict[int, int]:
        """What a group has committed of a topic, by partition."""
        options = {"bootstrap.servers": self.bootstrap, "group.id": self.topic(group)}
        consumer = Consumer(options)
        try:
            asked = [TopicPartition(self.topic(name), number) for number in range(PARTITIONS)]
            return {found.partition: found.offset for found in committed(consumer, asked, 30)}
        finally:
            consumer.close()

    def ends(self, name: str) -> dict[int, int]:
        """The high watermarks of a topic, by partition."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "observer"})
        try:
            toppars = [TopicPartition(self.topic(name), number) for number in range(PARTITIONS)]
            return {t.partition: watermarks(consumer, t, 30)[1] for t in toppars}
        finally:
            consumer.close()

    def dead_letters(self, group: str) -> list[Any]:
        """What a group has set aside."""
        return list(read_topic(self.bootstrap, topics.dlq_topic(self.topic(group))))

    def log(self, name: str) -> str:
        """What a process wrote."""
        return self.parts.log(name).read_text(errors="replace")


def hooks_of(receiver: Receiver) -> dict[UUID, list[str]]:
    """The types of all webhooks that a receiver got, by job."""
    found: dict[UUID, list[str]] = defaultdict(list)
    for call in list(receiver.calls):
        payload = json.loads(call.body)
        found[UUID(payload["data"]["job_id"])].append(payload["type"])
    return found


@contextmanager
def whole_service(
    stack: Stack, folder: Path, processes: Collection[str] = PROCESSES, **extra: str
) -> Iterator[WholeService]:
    """The processes, ready; they end with the block."""
    prefix = f"foreign-{uuid.uuid4().hex[:8]}"
    registry = stack.registry_url if "registry" in stack.components else ""
    settings = {"CHAOS_STAGES": "scripted", "SCRIBE_TIME_SCALE": str(TIME_SCALE), **extra}
    parts = Parts(stack, folder, prefix, PARTITIONS, workers=4, extra=settings)
    serde = Serde(RegisteredStore(register(registry, prefix)) if registry else None)
    arrivals: list[tuple[float, Received]] = []

    def take(call: Received) -> int:
        arrivals.append((time.monotonic(), call))
        return 204

    with Receiver(take) as receiver, parts:
        service = WholeService(parts, receiver, serde, registry, arrivals)
        parts.start(*processes)
        parts.wait_ready()
        service.pids = parts.pids()
        yield service


@dataclass
class RegisteredStore(ManifestStore):
    """The ids of `ids`, by the names of events, and the schemas behind them."""

    ids: dict[str, int]

    def id_of(self, event_name: str) -> int:
        return self.ids[event_name]

    def schema_of(self, schema_id: int) -> Any:
        return current_schema(next(name for name, found in self.ids.items() if found == schema_id))

    def knows(self, schema_id: int) -> bool:
        return schema_id in self.ids.values()

    def writer_for(self, event_name: str, plain: dict[str, Any]) -> tuple[int, Any]:
        return self.id_of(event_name), current_schema(event_name)


def register(registry: str, prefix: str) -> dict[str, int]:
    """The current schemas under the topics of this service, as `scribe schemas register` does it for the usual ones."""
    with SchemaRegistryClient({"url": registry}) as client:
        return {
            topic.event: client.register_schema(
                f"{renamed(topic.name, prefix)}-value", Schema(schema_text(topic.event), "AVRO")
            )
            for topic in topics.TOPICS.values()
            if topic.event
        }
