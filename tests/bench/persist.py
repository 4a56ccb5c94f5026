"""Results per second of the persist app against a plain psycopg loop, in turns: `python -m tests.bench.persist`.

The app is its real process: records that lie in a real topic, through Faust, into PostgreSQL and the object store. The loop
(tests.bench.plain_loop) writes the same rows and objects in groups of the same size, with the same durable commits.
The exit code is 1 when the app reaches less than 0.6 of the loop.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console
from rich.table import Table

from deploy.local.stack import Stack
from schemas.events import JobResult
from schemas.ports import ObjectStore
from schemas.settings.stores import ObjectStoreSettings
from schemas.transcript import Segment, Transcript, Word
from schemas.wire.records import record_of
from schemas.wire.serde import Serde
from sink.memory import MemoryObjectStore
from sink.objects.s3 import S3ObjectStore
from sink.postgres.migrate import migrate
from streams.agents.persist import LIMITS
from tests.bench import plain_loop
from tests.streams.jobs import new_job

TARGET = 0.6
BUCKET = "bench"
WORDS = 12  # of a segment, which lasts five seconds
PARTITIONS = 4
PATIENCE = 300.0


@dataclass(frozen=True)
class Round:
    """Results per second of both, one after the other."""

    app: float
    loop: float

    @property
    def ratio(self) -> float:
        return self.app / self.loop


def call_of(segments: int) -> Transcript:
    """A conversation of two."""
    return Transcript(
        language="en",
        language_probability=0.98,
        duration=5.0 * segments,
        segments=tuple(_segment(n) for n in range(segments)),
    )


def _segment(n: int) -> Segment:
    words = tuple(
        Word(
            start=5 * n + 0.4 * i,
            end=5 * n + 0.4 * i + 0.37,
            text=f"word-{n}-{i}",
            probability=0.9 + i / 1000,
            speaker=f"SPEAKER_0{n % 2}",
        )
        for i in range(WORDS)
    )
    text = " ".join(word.text for word in words)
    return Segment(start=5.0 * n, end=5.0 * n + 5, text=text, speaker=f"SPEAKER_0{n % 2}", channel=0, words=words)


class PersistHarness:
    """A stack and what a round needs on it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        # silent: the broker ends before the client, which would tell of every broken connection
        self._admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap, "log_level": 0})
        client = stack.s3.client()
        client.create_bucket(Bucket=BUCKET)
        client.close()
        self.s3 = S3ObjectStore(ObjectStoreSettings.model_validate({**_s3(stack), "s3_bucket": BUCKET}))
        migrate(stack.postgres_dsn())
        with self.connection() as connection:
            connection.execute("CREATE DATABASE pristine TEMPLATE scribe")

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.stack.postgres_dsn("postgres"), autocommit=True) as connection:
            yield connection

    @contextmanager
    def database(self) -> Iterator[str]:
        """A migrated database without rows."""
        name = f"bench_{uuid.uuid4().hex[:8]}"
        with self.connection() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE pristine")
            # what the round before left to be written must not slow this one
            connection.execute("CHECKPOINT")
            try:
                yield self.stack.postgres_dsn(name)
            finally:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def topics(self) -> dict[str, str]:
        """Empty topics."""
        names = {
            name: f"bench.{name}.{uuid.uuid4().hex[:8]}" for name in ("dlq", "results", "jobs", "progress", "tenants")
        }
        for made in self._admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in names.values()]).values():
            made.result()
        return names

    def app(self, store: str, results: Sequence[JobResult]) -> float:
        """Results per second of the app's process, once the first tenth of its backlog is applied."""
        topics = self.topics()
        self._publish(topics["results"], results)
        with self.database() as dsn, tempfile.TemporaryFile() as log:
            command = ["-m", "tests.bench.persist_process", store, f"bench.{uuid.uuid4().hex[:8]}", *topics.values()]
            environment = {**self.stack.environment(), "SCRIBE_POSTGRES_DSN": dsn, "SCRIBE_S3_BUCKET": BUCKET}
            running = subprocess.Popen(
                [sys.executable, *command], env={**os.environ, **environment}, stdout=log, stderr=log
            )
            try:
                return _rate(dsn, len(results))
            finally:
                running.terminate()
                if running.wait(60) != 0:
                    log.seek(0)
                    sys.stderr.write(log.read().decode())

    def _publish(self, topic: str, results: Sequence[JobResult]) -> None:
        producer = Producer({"bootstrap.servers": self.stack.kafka_bootstrap, "linger.ms": 50})
        for result in results:
            record = record_of(Serde(), topic, result, "bench", datetime.now(UTC))
            producer.produce(record.topic, record.value, record.key, headers=list(record.headers.items()))
        producer.flush()

    def loop(self, store: ObjectStore, results: Sequence[JobResult]) -> float:
        """Results per second of the plain loop."""
        with self.database() as dsn:
            return plain_loop.run(dsn, store, results, LIMITS.items)

    def round(self, store: str, results: int, transcript: Transcript, *, app_first: bool) -> Round:
        """Both, on jobs of their own."""
        mine, other = (
            [new_job().result(transcript=transcript, speakers=transcript.speakers) for _ in range(results)]
            for _ in "ab"
        )
        objects: ObjectStore = self.s3 if store == "s3" else MemoryObjectStore()
        if app_first:
            app = self.app(store, mine)
            return Round(app, self.loop(objects, other))
        loop = self.loop(objects, other)
        return Round(self.app(store, mine), loop)


def _s3(stack: Stack) -> dict[str, str]:
    return {
        "s3_endpoint": stack.s3_endpoint,
        "s3_access_key": stack.s3_access_key,
        "s3_secret_key": stack.s3_secret_key,
    }


def _rate(dsn: str, results: int) -> float:
    begun: tuple[int, float] | None = None
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute("SELECT count(*) FROM applied_events").fetchone()
            applied, now = (row[0] if row else 0), time.perf_counter()
            if begun is None and applied >= results / 10:
                begun = applied, now
            if applied >= results and begun:
                return (applied - begun[0]) / (now - begun[1])
            time.sleep(0.02)
    raise AssertionError(f"{applied} of {results} results were applied within {PATIENCE:g} s")


def measure(world: PersistHarness, store: str, rounds: int, results: int, segments: int) -> list[Round]:
    """The rounds with one kind of object store; who begins alternates."""
    transcript = call_of(segments)
    return [world.round(store, results, transcript, app_first=n % 2 == 0) for n in range(rounds)]


def main(
    results: Annotated[int, typer.Option(help="Results a round.")] = 2000,
    rounds: Annotated[int, typer.Option(help="Rounds of each comparison.")] = 5,
    segments: Annotated[int, typer.Option(help="Segments of five seconds and twelve words in each result.")] = 24,
) -> None:
    """Measure and print; exit code 1 when the target is missed."""
    console = Console()
    table = Table(
        *("compared", "app, results/s", "plain loop, results/s", "ratio, median", "lowest to highest"),
        title=f"{rounds} rounds of {results} results of {segments} segments, {LIMITS.items} a transaction, durable",
    )
    missed = []
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "stack", durable=True) as stack:
        world = PersistHarness(stack)
        for store, name in (("s3", "PostgreSQL and S3"), ("memory", "PostgreSQL, objects in memory")):
            found = measure(world, store, rounds, results, segments)
            ratios = [found_.ratio for found_ in found]
            median = statistics.median(ratios)
            table.add_row(
                name,
                f"{statistics.median(r.app for r in found):.0f}",
                f"{statistics.median(r.loop for r in found):.0f}",
                f"{median:.2f}",
                f"{min(ratios):.2f} to {max(ratios):.2f}",
            )
            if median < TARGET:
                missed.append(name)
    console.print(table)
    if missed:
        console.print(f"below {TARGET}: {', '.join(missed)}")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
