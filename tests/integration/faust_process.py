"""Starts the misbehaving worker, follows what it says, and reads what its group has committed."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from producers.kafka import moved_leaders
from schemas.wire.headers import read_headers
from tests.integration.faust_worker import Script

DEADLINE = 120.0  # long enough for a machine that is busy with other tests; a good end comes within seconds


def until(what: str, condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Wait for a condition; fails with `what` when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)


class Worker:
    """One process of the misbehaving worker."""

    def __init__(self, script: Script) -> None:
        self.said: list[str] = []
        with Path(script.folder + ".log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.faust_worker", script.to_json()],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.said.append(line.strip())

    def wait_for(self, *lines: str) -> None:
        until(f"{lines} in {self.said}", lambda: set(lines) <= set(self.said))

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self, seconds: float = DEADLINE) -> int:
        """The exit code; fails when the process goes on."""
        code = self.process.wait(seconds)
        self._reader.join()
        return code

    def done(self) -> list[int]:
        return [int(line.split()[1]) for line in self.said if line.startswith("DONE")]


def committed(bootstrap: str, group: str, topic: str) -> int | None:
    """The group's offset of partition 0, None when there is none; fenced members of the group do not matter."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        offset = moved_leaders.committed(consumer, [TopicPartition(topic, 0)], 30)[0].offset
    finally:
        consumer.close()
    return None if offset < 0 else int(offset)


def read_all(bootstrap: str, topic: str) -> list[tuple[bytes | None, dict[str, str]]]:
    """Value and headers of every record of partition 0."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": "false"})
    found: list[tuple[bytes | None, dict[str, str]]] = []
    try:
        partition = TopicPartition(topic, 0, 0)
        _, end = moved_leaders.watermarks(consumer, partition, 30)
        consumer.assign([partition])
        while len(found) < end:
            # many short waits: a long one is over at once when the machine stood still in it
            message = next((one for _ in range(100) if (one := consumer.poll(0.3)) is not None), None)
            assert message is not None, f"{len(found)} of {end} records of {topic}"
            headers = cast(list[tuple[str, bytes | None]], message.headers() or [])
            found.append((message.value(), read_headers(headers)))
    finally:
        consumer.close()
    return found


def send_values(bootstrap: str, topic: str, *values: bytes) -> None:
    """One record a value, in order, all to partition 0."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    for value in values:
        producer.produce(topic, value, partition=0)
    producer.flush()


class RawName(str):
    """A header name that is written as other bytes than its text."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        return b"\xff\xfe name"


def send_foreign_header(bootstrap: str, topic: str, value: bytes) -> None:
    """One record to partition 0 whose header has a name that is no UTF-8: no client offers that, so its batch is made by hand."""

    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        try:
            batch = producer.create_batch()
            batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 1_000_000)
            batch.append(key=None, value=value, timestamp=None, headers=[(RawName(), b"value")])
            await (await producer.send_batch(batch, topic, partition=0))
        finally:
            await producer.stop()

    asyncio.run(send())


def transactions(bootstrap: str, topic: str, *batches: tuple[bool, list[bytes]]) -> None:
    """One transaction a batch, committed or aborted."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"test-{topic}", "retry.backoff.ms": 10})
    producer.init_transactions(30)
    for commits, values in batches:
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, value, partition=0)
        producer.flush()
        (producer.commit_transaction if commits else producer.abort_transaction)(30)


def group_members(admin: AdminClient, group: str) -> int:
    """How many members a group has once it is stable, 0 while it rebalances."""
    described = admin.describe_consumer_groups([group])[group].result()
    return len(described.members) if described.state.name == "STABLE" else 0
