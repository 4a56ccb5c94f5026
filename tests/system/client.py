"""What a user of the service does: submit, wait, read; and what an auditor does: read topics and tables."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from uuid import UUID

import httpx
import psycopg
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from deploy.local.service import ServiceProcesses
from deploy.local.stack import Stack
from schemas.events import JobRequested, JobResult
from schemas.topics import JOBS, RESULTS
from schemas.vocabulary.job_states import ENDED
from schemas.wire.headers import RawHeaders, read_headers
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from tests.collector import Collector

SERDE = Serde()
# limits that a small recording reaches, and retries that a test can wait for
SMALL = {
    "SCRIBE_TIME_SCALE": "0.01",
    "SCRIBE_INLINE_MAX_BYTES": "3500",  # of which the schema in the file of a transcript takes 2,600
    "SCRIBE_FETCH_MAX_BYTES": "6000000",
    "SCRIBE_UPLOAD_MAX_BYTES": "6000000",
}


class Client:
    """A REST client of tenant `demo`, and a reader of everything behind it."""

    def __init__(self, service: ServiceProcesses, key: str) -> None:
        self.service = service
        self.http = httpx.Client(base_url=service.api_url, headers={"X-API-Key": key}, timeout=90, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def upload(self, path: Path, **fields: str) -> UUID:
        """Submit a file; returns the job's id."""
        with path.open("rb") as file:
            answer = self.http.post("/api/v1/transcribe/upload", files={"file": (path.name, file)}, data=fields)
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["job_id"])

    def submit(self, **body: Any) -> httpx.Response:
        """POST /api/v1/transcribe."""
        return self.http.post("/api/v1/transcribe", json=body)

    def publish(self, request: JobRequested, topic: str = JOBS) -> None:
        """Submit as an upstream system does, without REST."""
        self.send(Record(topic, str(request.job_id).encode(), SERDE.encode(request)))

    def send(self, record: Record) -> None:
        """Send any bytes."""
        failed: list[KafkaError] = []
        producer = Producer({"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random"})
        producer.produce(
            record.topic, record.value, record.key, on_delivery=lambda e, _: failed.append(e) if e else None
        )
        assert producer.flush(30) == 0
        assert failed == []

    def wait(self, job_id: UUID, seconds: float = 180) -> dict[str, Any]:
        """The job once it ended, whatever goes up and down meanwhile."""
        deadline = time.monotonic() + seconds
        seen: Any = None
        while time.monotonic() < deadline:
            try:
                seen = self.http.get(f"/api/v1/jobs/{job_id}").json()
            except httpx.HTTPError as error:
                seen = repr(error)
            else:
                if seen.get("state") in ENDED:
                    return dict(seen)
            time.sleep(0.2)
        raise AssertionError(f"job {job_id} did not end within {seconds} s: {seen}")

    def transcript(self, job_id: UUID, fmt: str = "json") -> httpx.Response:
        """GET the transcript."""
        return self.http.get(f"/api/v1/jobs/{job_id}/transcript", params={"format": fmt})

    @property
    def bootstrap(self) -> str:
        """The broker."""
        return self.service.environment["SCRIBE_KAFKA_BOOTSTRAP"]

    def records(self, topic: str) -> list[Record]:
        """Everything that readers of committed records see in a topic."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "auditor",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        try:
            partitions = consumer.list_topics(topic, timeout=90).topics[topic].partitions
            consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
            return _read(consumer, topic, set(partitions))
        finally:
            consumer.close()

    def results(self, *job_ids: UUID) -> list[JobResult]:
        """The visible results of jobs."""
        results = [SERDE.decode(record.value, JobResult) for record in self.records(RESULTS)]
        return [result for result in results if result.job_id in job_ids]

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        with psycopg.connect(self.service.environment["SCRIBE_POSTGRES_DSN"]) as connection:
            return list(connection.execute(sql, parameters))


@contextmanager
def running(stack: Stack, collector: Collector, folder: Path) -> Iterator[Client]:
    """The whole service on a stack within the block, and a client of it with a key."""
    environment = stack.environment() | SMALL | {"SCRIBE_OTLP_ENDPOINT": collector.endpoint}
    service = ServiceProcesses(environment, folder)
    try:
        key = service.prepare()
        service.start()
        service.wait_ready()
        service.wait_for_consent()
        with Client(service, key) as client:
            yield client
    finally:
        service.stop()


def _read(consumer: Consumer, topic: str, unread: set[int]) -> list[Record]:
    found = []
    deadline = time.monotonic() + 30
    while unread and time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        if error := message.error():
            assert error.code() == KafkaError._PARTITION_EOF, error
            unread.discard(message.partition())
            continue
        headers = read_headers(cast(RawHeaders, message.headers()))
        found.append(Record(topic, message.key(), message.value(), headers))
    assert not unread, f"partitions {unread} of {topic} were not read to their end"
    return found
