"""What the GPU runtime costs with an engine that does nothing: jobs a second, and the time to a visible result.

python -m tests.bench.gpu_cost

Both are measured beside a plain consumer in one run: it reads in order, decodes, writes the same result and commits its
offsets now and then, without transactions. Exit code 1 when the median to the visible result is over 30 ms above its.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Annotated
from uuid import UUID

import typer
from confluent_kafka import Consumer, Producer
from rich.console import Console
from rich.table import Table

from deploy.local.stack import Stack
from gpu_consumers.fake import fake_result
from schemas.events import JobRequested, JobResult
from schemas.records import record_of
from tests.integration.gpu import SERDE, Group, create_topics, job, spawn

MOST_MORE = 0.030  # seconds
RATE = 50.0  # jobs a second
Start = Callable[[Group], "subprocess.Popen[bytes]"]


@dataclass(frozen=True)
class Found:
    """Jobs a second of a backlog, and the median time to a visible result at RATE, in seconds."""

    per_second: float
    median: float
    p95: float


class Watcher:
    """Reads results as a downstream service does, and notes when each was seen."""

    def __init__(self, group: Group) -> None:
        self.seen: dict[UUID, float] = {}
        self._ended = Flag()
        options = {"group.id": f"{group.name}.watcher", "isolation.level": "read_committed"}
        options |= {"auto.offset.reset": "earliest", "fetch.wait.max.ms": "5"}
        self._consumer = Consumer({"bootstrap.servers": group.bootstrap, **options})
        self._consumer.subscribe([group.results])
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                self.seen.setdefault(SERDE.decode(message.value(), JobResult).job_id, time.time())
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
def running(start: Start, group: Group) -> Iterator[Watcher]:
    """A process that works, and has done a first job."""
    watcher, process = Watcher(group), start(group)
    try:
        group.publish(job())
        watcher.await_all(1)
        watcher.seen.clear()
        yield watcher
    finally:
        process.terminate()
        process.communicate(timeout=60)
        watcher.close()


def measure(start: Start, bootstrap: str, backlog: int, seconds: float) -> Found:
    """A backlog first, then a steady stream."""
    group, _ = create_topics(bootstrap)
    with running(start, group) as watcher:
        group.publish(*(job() for _ in range(backlog)))
        watcher.await_all(backlog)
        ends = sorted(watcher.seen.values())
        watcher.seen.clear()
        sent = steady(group, int(seconds * RATE))
        watcher.await_all(len(sent))
        times = sorted(watcher.seen[job_id] - at for job_id, at in sent.items())
    middle = ends[len(ends) // 10 :]
    rate = (len(middle) - 1) / (middle[-1] - middle[0])
    return Found(rate, statistics.median(times), times[int(len(times) * 0.95)])


def steady(group: Group, count: int) -> dict[UUID, float]:
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


def ours(group: Group) -> "subprocess.Popen[bytes]":
    """A GPU process with the fake stage."""
    return spawn(group, "bench", workers=8)


def plain(group: Group) -> "subprocess.Popen[bytes]":
    """The loop below, as a process."""
    command = [sys.executable, "-m", "tests.bench.gpu_cost", "--loop", group.jobs, group.results, group.bootstrap]
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


def main(
    backlog: Annotated[int, typer.Option(help="Jobs that wait at once.")] = 5_000,
    seconds: Annotated[float, typer.Option(help="Of the steady stream.")] = 20.0,
    rounds: Annotated[int, typer.Option(help="In turns.")] = 3,
) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="gpu-cost-") as folder, Stack(Path(folder) / "stack") as stack:
        found = [
            (
                measure(ours, stack.kafka_bootstrap, backlog, seconds),
                measure(plain, stack.kafka_bootstrap, backlog, seconds),
            )
            for _ in range(rounds)
        ]
    table = Table("", "JOBS A SECOND", f"MEDIAN AT {RATE:g} A SECOND", "95 %")
    for name, each in (("GPU runtime", [own for own, _ in found]), ("plain loop", [other for _, other in found])):
        rate, median, p95 = (
            statistics.median(values) for values in zip(*((f.per_second, f.median, f.p95) for f in each), strict=True)
        )
        table.add_row(name, f"{rate:.0f}", f"{1000 * median:.1f} ms", f"{1000 * p95:.1f} ms")
    more = statistics.median(own.median - other.median for own, other in found)
    Console().print(table)
    Console().print(f"median above the plain loop: {1000 * more:.1f} ms")
    raise typer.Exit(0 if more <= MOST_MORE else 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--loop"]:
        plain_loop(*sys.argv[2:])
    typer.run(main)
