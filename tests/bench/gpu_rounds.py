"""Rounds of the GPU runtime with an engine that does nothing, and of a plain consumer: jobs a second, time to a visible result.

The plain one reads in order, decodes, writes the same result and commits its offsets now and then, without transactions.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event as Flag
from threading import Thread
from uuid import UUID

from confluent_kafka import Consumer, Producer, TopicPartition

from gpu_consumers.engines.fake import fake_result
from schemas.events import JobRequested
from schemas.wire.records import record_of
from tests.integration.gpu import SERDE, GpuGroup, create_topics, job, spawn

RATE = 50.0  # jobs a second
Start = Callable[[GpuGroup], "subprocess.Popen[bytes]"]


@dataclass(frozen=True)
class Found:
    """Jobs a second of a backlog, and the median time to a visible result at RATE, in seconds."""

    per_second: float
    median: float
    p95: float


class Watcher:
    """Reads results as a downstream service does, and notes when each was seen."""

    def __init__(self, group: GpuGroup) -> None:
        self.seen: dict[UUID, float] = {}
        self._ended = Flag()
        options = {"group.id": f"{group.name}.watcher", "isolation.level": "read_committed"}
        options |= {"auto.offset.reset": "earliest", "fetch.wait.max.ms": "5"}
        self._consumer = Consumer({"bootstrap.servers": group.bootstrap, **options})
        # without a group to join, so that it sees the first results too when they come
        partitions = self._consumer.list_topics(group.results, timeout=10).topics[group.results].partitions
        self._consumer.assign([TopicPartition(group.results, number, 0) for number in partitions])
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                # the key is the job's id: to decode the result would take what is measured its time
                self.seen.setdefault(UUID((message.key() or b"").decode()), time.time())
        self._consumer.close()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def await_all(self, count: int, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while len(self.seen) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.seen)} of {count} results were seen")
            time.sleep(0.01)


@contextmanager
def running(start: Start, group: GpuGroup) -> Iterator[Watcher]:
    """A process that works, and who sees its results."""
    watcher, process = Watcher(group), start(group)
    try:
        yield watcher
    finally:
        process.terminate()
        process.communicate(timeout=60)
        watcher.close()


def measure(start: Start, bootstrap: str, backlog: int, seconds: float) -> Found:
    """A backlog that is there before the process is, then a steady stream."""
    group, _ = create_topics(bootstrap)
    group.publish(*(job() for _ in range(backlog)))
    with running(start, group) as watcher:
        watcher.await_all(backlog)
        per_second = rate(watcher.seen.values())
        watcher.seen.clear()
        sent = steady(group, int(seconds * RATE))
        watcher.await_all(len(sent))
        times = sorted(watcher.seen[job_id] - at for job_id, at in sent.items())
    return Found(per_second, statistics.median(times), times[int(len(times) * 0.95)])


def rate(times: Iterable[float]) -> float:
    """How many a second, once the first tenth is through."""
    ends = sorted(times)
    later = ends[len(ends) // 10 :]
    return (len(later) - 1) / (later[-1] - later[0])


def steady(group: GpuGroup, count: int) -> dict[UUID, float]:
    """Publish so many jobs at RATE; when each was handed over."""
    producer = Producer({"bootstrap.servers": group.bootstrap, "partitioner": "murmur2_random", "linger.ms": 0})
    began, sent = time.monotonic(), {}
    for number in range(count):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        request = job()
        record = record_of(SERDE, group.jobs, request, "bench", datetime.now(UTC))
        sent[request.job_id] = time.time()
        producer.produce(record.topic, record.value, record.key)
        producer.poll(0)
    producer.flush()
    return sent


def ours(group: GpuGroup) -> "subprocess.Popen[bytes]":
    """A GPU process with the fake stage."""
    return spawn(group, "bench", workers=8)


def plain(group: GpuGroup) -> "subprocess.Popen[bytes]":
    """The loop below, as a process."""
    command = [sys.executable, "-m", "tests.bench.gpu_rounds", group.jobs, group.results, group.bootstrap]
    return subprocess.Popen(command)


def plain_loop(jobs: str, results: str, bootstrap: str) -> None:
    """In order, at least once, nothing else."""
    options = {"group.id": f"plain-{jobs}", "auto.offset.reset": "earliest", "fetch.wait.max.ms": "5"}
    consumer = Consumer({"bootstrap.servers": bootstrap, **options})
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 0})
    consumer.subscribe([jobs])
    while True:
        message = consumer.poll(0.1)
        producer.poll(0)
        if message is None or message.error() is not None:
            continue
        request = SERDE.decode(message.value(), JobRequested)
        record = record_of(SERDE, results, fake_result(request, request.metadata), "plain", datetime.now(UTC))
        producer.produce(record.topic, record.value, record.key)


if __name__ == "__main__":
    plain_loop(*sys.argv[1:])
