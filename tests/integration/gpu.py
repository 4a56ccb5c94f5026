"""A GPU group of a test's own: its topics, its members in threads or processes, and what they left behind."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from gpu_consumers.core.delivery.cancellations import Cancellations
from gpu_consumers.core.delivery.messages import Emission, Job, Work
from gpu_consumers.engines.fake import FakeStage
from gpu_consumers.kafka.progress import ProgressReporter
from gpu_consumers.kafka.topic_reader import BootstrappedTopicReader
from gpu_consumers.kafka.transactional_producer import TransactionalProducer
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.service import GpuService, Runtime, create_group
from producers.kafka.moved_leaders import committed, watermarks
from producers.kafka.publisher import Publisher
from schemas.events import JobControl, JobRequested, JobResult, Source
from schemas.retries.schedules import LADDER, TopicLadder
from schemas.settings.kafka import KafkaSettings
from schemas.topics import dlq_topic, retry_topic
from schemas.wire.headers import read_headers
from schemas.wire.records import Record, record_of
from schemas.wire.serde import Serde
from tests.executions import Logged

ROOT = Path(__file__).parents[2]
SERDE = Serde()
TIME_SCALE = 0.01  # the first rung of the ladder is 0.6 s


def job(**orders: str) -> JobRequested:
    """A job with orders to the fake stage, such as `fake_seconds="0.1"`."""
    metadata = {name.replace("_", "-"): value for name, value in orders.items()}
    source = Source(uri="https://example.org/a.wav?token=secret")
    return JobRequested(job_id=uuid4(), tenant="acme", source=source, requested_at=datetime.now(UTC), metadata=metadata)


@cache
def _publisher(bootstrap: str) -> Publisher:
    """One for all tests: the first record of a producer takes half a second."""
    return Publisher(KafkaSettings(kafka_bootstrap=bootstrap))


def publish_to(bootstrap: str, *records: Record) -> None:
    """Write records by the one publisher."""
    _publisher(bootstrap).publish(*records)


@dataclass(frozen=True)
class GpuGroup:
    """Fresh names on the shared broker."""

    bootstrap: str
    name: str
    jobs: str
    results: str
    progress: str
    partition_epochs: bool = field(default=True, kw_only=True)

    @property
    def dlq(self) -> str:
        return dlq_topic(self.name)

    @property
    def settings(self) -> KafkaSettings:
        return KafkaSettings(kafka_bootstrap=self.bootstrap, kafka_partition_epochs=self.partition_epochs)

    def retry(self, step: str) -> str:
        return retry_topic(self.name, step)

    def publish(self, *requests: JobRequested, parent: str | None = None) -> None:
        """Write jobs as upstream systems do."""
        now = datetime.now(UTC)
        self.publish_records(*(record_of(SERDE, self.jobs, request, "test", now, parent) for request in requests))

    def publish_records(self, *records: Record) -> None:
        _publisher(self.bootstrap).publish(*records)

    def read(self, topic: str) -> "list[Message[Any, Any]]":
        """Every visible record of a topic."""
        return read_topic(self.bootstrap, topic)

    def job_results(self) -> list[JobResult]:
        return [SERDE.decode(message.value(), JobResult) for message in self.read(self.results)]

    def await_results(self, count: int, seconds: float = 90) -> list[JobResult]:
        """The results once there are `count`; fewer when the time is over."""
        deadline = time.monotonic() + seconds
        while len(found := self.job_results()) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def lag(self) -> int:
        """What the group has yet to read of its job topic."""
        consumer = self._observer(self.name)
        partitions = consumer.list_topics(self.jobs, timeout=90).topics[self.jobs].partitions
        positions = committed(consumer, [TopicPartition(self.jobs, p) for p in partitions], 30)
        lag = 0
        for position in positions:
            low, high = watermarks(consumer, TopicPartition(self.jobs, position.partition), 30)
            lag += high - max(position.offset, low)
        consumer.close()
        return lag

    def await_no_lag(self, seconds: float = 60) -> int:
        deadline = time.monotonic() + seconds
        while (lag := self.lag()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return lag

    def _observer(self, group: str) -> Consumer:
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "isolation.level": "read_uncommitted"})


def read_topic(bootstrap: str, topic: str) -> "list[Message[Any, Any]]":
    """Every record that a read_committed reader sees up to the end of a topic."""
    options: dict[str, Any] = {
        "group.id": f"reader-{uuid4()}",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
    }
    # an empty partition says so after this wait
    options |= {"enable.partition.eof": True, "fetch.wait.max.ms": 10}
    consumer = Consumer({"bootstrap.servers": bootstrap, **options})
    partitions = consumer.list_topics(topic, timeout=90).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    found: list[Any] = []
    ended: set[int | None] = set()
    while len(ended) < len(partitions):
        # many short waits: a long one is over at once when the machine stood still in it
        message = next((one for _ in range(100) if (one := consumer.poll(0.3)) is not None), None)
        assert message is not None, f"{topic} has no end: an open transaction?"
        if (error := message.error()) is None:
            found.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
    consumer.close()
    return found


def create_topics(bootstrap: str) -> tuple[GpuGroup, list[str]]:
    """The topics of a fresh group."""
    suffix = uuid4().hex[:8]
    group = GpuGroup(
        bootstrap, f"test.gpu.{suffix}", *(f"test.gpu.{suffix}.{n}" for n in ("jobs", "results", "progress"))
    )
    retries = [group.retry(step) for step in LADDER.steps]
    names = {group.jobs: 4, group.results: 2, group.progress: 1, group.dlq: 1, **dict.fromkeys(retries, 1)}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    futures = admin.create_topics([NewTopic(name, n, 1) for name, n in names.items()], operation_timeout=90)
    for future in futures.values():
        future.result()
    return group, list(names)


class CountingStage(FakeStage):
    """Counts how often work was done; `at_once`: it takes no time, whatever a job says."""

    runs = 0
    at_once = False

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        self.runs += 1
        return self._emit(job, job.request.metadata) if self.at_once else super().run(job, work)


class GroupMember:
    """One member of a group in threads of this process."""

    def __init__(
        self,
        group: GpuGroup,
        worker: str,
        *,
        workers: int = 4,
        drain_seconds: float = 10,
        producer: TransactionalProducer | None = None,
        control: BootstrappedTopicReader[JobControl] | None = None,
        cancellations: Cancellations | None = None,
        executions: Path | None = None,
        at_once: bool = False,
        ladder: TopicLadder = LADDER,
    ) -> None:
        """`executions`: the file in which every execution is written down; `at_once`: see CountingStage."""
        cancellations = Cancellations() if cancellations is None else cancellations
        self.shutdown = Shutdown(drain_seconds)
        self.publisher = Publisher(group.settings)
        progress = ProgressReporter(self.publisher.offer, SERDE, worker, topic=group.progress)
        runtime = Runtime(
            group.settings,
            SERDE,
            progress,
            self.shutdown,
            worker,
            results=group.results,
            time_scale=TIME_SCALE,
            ladder=ladder,
            cancelled=cancellations.covers,
            caught_up=lambda: control is None or control.caught_up,
        )
        self.stage = CountingStage(
            SERDE, group=group.name, topics=(group.jobs,), results=group.results, workers=workers
        )
        self.stage.at_once = at_once
        self.service = GpuService(self.shutdown)
        self.status: int | None = None
        runner = Logged(self.stage, executions, worker, "fake") if executions else self.stage
        self._group = create_group(runner, runtime, producer)
        self._thread = Thread(target=self._run, name=worker)

    def _run(self) -> None:
        self.status = self.service.run([self._group])

    def start(self) -> "GroupMember":
        self._thread.start()
        return self

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> int | None:
        self.shutdown.request()
        return self.join()

    def join(self, seconds: float = 90) -> int | None:
        self._thread.join(seconds)
        self.publisher.close()
        return self.status


@contextmanager
def member(group: GpuGroup, worker: str = "worker", **options: Any) -> Iterator[GroupMember]:
    """A member that is drained in the end."""
    started = GroupMember(group, worker, **options).start()
    try:
        yield started
    finally:
        started.stop()


def spawn(
    group: GpuGroup, worker: str, *, workers: int = 4, drain_seconds: float = 10, executions: Path | None = None
) -> "subprocess.Popen[bytes]":
    """A member as a process, to be killed; what it says is in a file beside the `executions`, else in its pipe."""
    arguments = {**group.__dict__, "worker": worker, "workers": workers, "drain_seconds": drain_seconds}
    arguments |= {"executions": str(executions)} if executions else {}
    command = [sys.executable, "-m", "tests.integration.gpu_worker", json.dumps(arguments)]
    if executions is None:
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with executions.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def duplicates(results: Sequence[JobResult]) -> dict[UUID, int]:
    """Jobs with more than one visible result."""
    return {job_id: n for job_id, n in Counter(result.job_id for result in results).items() if n > 1}


def headers(message: "Message[Any, Any]") -> dict[str, str]:
    return read_headers(message.headers())  # type: ignore[arg-type]
