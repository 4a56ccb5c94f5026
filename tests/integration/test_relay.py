"""The outbox relay against real Kafka and PostgreSQL: nothing lost, one leader, outages survived."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.stack import Stack
from producers.kafka.publisher import MAX_MESSAGE_BYTES, Publisher
from producers.relay import Relay
from schemas.ports import RecordPublisher
from schemas.settings.kafka import KafkaSettings
from schemas.settings.stores import PostgresSettings
from schemas.wire.records import Record
from sink.jobs import outbox
from sink.postgres.database import Connection, Database
from sink.postgres.migrate import migrate
from tests.conftest import TopicFactory
from tests.integration.shim import in_transaction
from tests.integration.waiting import SECONDS, wait_for


def add(dsn: str, *records: Record) -> None:
    """Commit outbox rows."""

    async def work(connection: Connection) -> None:
        for record in records:
            await outbox.add(connection, record)

    in_transaction(dsn, work)


def records_for(topic: str, count: int, first: int = 0) -> list[Record]:
    """Records of one key, so that their order can be seen."""
    return [Record(topic, b"job", b"%d" % n, {"ce_id": str(n), "name": "שלום"}) for n in range(first, first + count)]


def read(bootstrap: str, topic: str, count: int) -> list[Any]:
    """The first `count` messages of a topic, waited for, and whatever lies behind them."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=90).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        messages: list[Any] = []
        deadline = time.monotonic() + SECONDS
        while len(messages) < count and time.monotonic() < deadline:
            messages += consumer.consume(100, timeout=0.2)
        return messages + consumer.consume(100, timeout=1.0)
    finally:
        consumer.close()


def pending(dsn: str) -> int:
    """How many rows wait."""
    return in_transaction(dsn, outbox.backlog).pending


async def relay_for(
    dsn: str, publisher: RecordPublisher, *relays: dict[str, Any], until: Callable[[], bool]
) -> list[Relay]:
    """Run relays until something is so; returns them."""
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": dsn})) as database:
        made = [Relay(database, publisher, poll=0.2, pause=0.2, **options) for options in relays or ({},)]
        async with relaying(*made):
            await asyncio.to_thread(wait_for, until)
    return made


@asynccontextmanager
async def relaying(*relays: Relay) -> AsyncIterator[None]:
    """Relays at work, stopped at the end."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for relay in relays:
            group.create_task(relay.run(stop))
        try:
            yield
        finally:
            stop.set()


@pytest.fixture
def publisher(kafka: str) -> Iterator[Publisher]:
    with Publisher(KafkaSettings(kafka_bootstrap=kafka), "test-relay") as made:
        yield made


def test_rows_are_published_in_order_and_marked(
    database: str, kafka: str, fresh_topic: TopicFactory, publisher: Publisher
) -> None:
    """More than one batch, with key, value and headers as they were."""
    topic = fresh_topic(partitions=1)
    sent = records_for(topic, 1200)
    add(database, *sent)
    asyncio.run(relay_for(database, publisher, until=lambda: pending(database) == 0))
    messages = read(kafka, topic, len(sent))
    assert [message.value() for message in messages] == [record.value for record in sent]
    assert {message.key() for message in messages} == {b"job"}
    assert dict(messages[7].headers()) == {"ce_id": b"7", "name": "שלום".encode()}


def test_a_row_is_published_as_soon_as_it_is_announced(
    database: str, kafka: str, fresh_topic: TopicFactory, publisher: Publisher
) -> None:
    """By NOTIFY: the fallback poll of this relay would come much too late."""
    topic = fresh_topic(partitions=1)

    async def run() -> None:
        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as opened:
            relay = Relay(opened, publisher, poll=3600)
            async with relaying(relay):
                await asyncio.to_thread(wait_for, lambda: relay.leads)
                await asyncio.to_thread(add, database, *records_for(topic, 1))
                await asyncio.to_thread(wait_for, lambda: pending(database) == 0)

    asyncio.run(run())
    assert len(read(kafka, topic, 1)) == 1


def test_a_crash_before_the_mark_publishes_twice_under_one_event_id(
    database: str, kafka: str, fresh_topic: TopicFactory, publisher: Publisher
) -> None:
    """SIGKILL between publish and mark: nothing is lost, and the copies can be told."""
    topic = fresh_topic(partitions=1)
    add(database, *records_for(topic, 3))
    died = subprocess.run(
        [sys.executable, "-m", "tests.integration.relay_process"],
        env={**os.environ, "SCRIBE_POSTGRES_DSN": database, "SCRIBE_KAFKA_BOOTSTRAP": kafka},
        check=False,
        timeout=120,
    )
    assert died.returncode == -signal.SIGKILL
    assert pending(database) == 3
    asyncio.run(relay_for(database, publisher, until=lambda: pending(database) == 0))
    ids = [dict(message.headers())["ce_id"] for message in read(kafka, topic, 6)]
    assert ids == [b"0", b"1", b"2"] * 2


def test_two_relays_have_one_leader_and_the_other_takes_over(
    database: str, kafka: str, fresh_topic: TopicFactory, publisher: Publisher
) -> None:
    """The leader's connection is cut: leadership moves, every row is published, none twice."""
    topic = fresh_topic(partitions=1)

    async def run() -> None:
        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as opened:
            relays = [Relay(opened, publisher, poll=0.2, pause=2.0) for _ in range(2)]
            async with relaying(*relays):
                await asyncio.to_thread(wait_for, lambda: any(relay.leads for relay in relays))
                first = next(relay for relay in relays if relay.leads)
                other = next(relay for relay in relays if relay is not first)
                await asyncio.to_thread(add, database, *records_for(topic, 5))
                await asyncio.to_thread(wait_for, lambda: pending(database) == 0)
                assert not other.leads
                await asyncio.to_thread(end_leader, database)
                await asyncio.to_thread(wait_for, lambda: other.leads)
                assert not first.leads
                await asyncio.to_thread(add, database, *records_for(topic, 5, first=5))
                await asyncio.to_thread(wait_for, lambda: pending(database) == 0)

    asyncio.run(run())
    assert [message.value() for message in read(kafka, topic, 10)] == [b"%d" % n for n in range(10)]


def end_leader(dsn: str) -> None:
    """Cut the connection that holds the leader's lock."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()"
        ).fetchall()
    assert ended == [(True,)]


def test_a_record_that_kafka_refuses_is_set_aside_and_no_other_is_published_twice(
    database: str, kafka: str, fresh_topic: TopicFactory, publisher: Publisher
) -> None:
    topic = fresh_topic(partitions=1)
    large = Record(topic, b"job", os.urandom(MAX_MESSAGE_BYTES + 1000), {"ce_id": "large"})
    add(database, *records_for(topic, 2), large, *records_for(topic, 2, first=2))
    asyncio.run(relay_for(database, publisher, until=lambda: pending(database) == 0))
    add(database, *records_for(topic, 2, first=4))
    asyncio.run(relay_for(database, publisher, until=lambda: pending(database) == 0))
    assert [message.value() for message in read(kafka, topic, 6)] == [b"%d" % n for n in range(6)]
    with psycopg.connect(database) as connection:
        failed = connection.execute(
            "SELECT id, failed_reason, published_at FROM outbox WHERE failed_at IS NOT NULL"
        ).fetchall()
    ((number, reason, published_at),) = failed
    assert (number, published_at) == (3, None)
    assert "refuses" in reason


@pytest.mark.parametrize("end", ["stop", "cancel", "cancel again and again"])
def test_a_stop_between_publish_and_mark_publishes_nothing_twice(
    database: str, kafka: str, fresh_topic: TopicFactory, publisher: Publisher, end: str
) -> None:
    """The end is asked for while the broker has a row and the database does not know it yet."""
    topic = fresh_topic(partitions=1)
    add(database, *records_for(topic, 3))

    async def run() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()

        def request() -> None:
            stop.set() if end == "stop" else task.cancel()

        class Stopping:
            """The publisher, with the stop behind it."""

            def publish(self, *records: Record) -> None:
                publisher.publish(*records)
                for _ in range(5 if "again" in end else 1):
                    loop.call_soon_threadsafe(request)
                    time.sleep(0.04)

        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as opened:
            task: asyncio.Task[None] = asyncio.create_task(Relay(opened, Stopping(), poll=0.2).run(stop))
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert pending(database) == 0
    assert len(read(kafka, topic, 3)) == 3


def test_published_rows_are_pruned_and_waiting_ones_are_not(
    database: str, fresh_topic: TopicFactory, publisher: Publisher
) -> None:
    topic = fresh_topic(partitions=1)
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO outbox (topic, key, value, headers, created_at, published_at)"
            " SELECT %s, '', '', '{}', now() - age, now() - age FROM unnest(%s::interval[]) AS age",
            [topic, ["2 days", "2 hours"]],
        )
    add(database, *records_for(topic, 1))

    def done() -> bool:
        with psycopg.connect(database) as connection:
            row = connection.execute("SELECT count(*) FROM outbox").fetchone()
        return row == (2,) and pending(database) == 0

    asyncio.run(relay_for(database, publisher, {"keep": timedelta(days=1)}, until=done))


@contextmanager
def relay_process(stack: Stack, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The real command."""
    environment = {**os.environ, **stack.environment()}
    with (folder / "relay.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "producers.relay"], env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def test_the_relay_outlives_kafka_and_postgresql(private_stack: Stack, tmp_path: Path) -> None:
    """Rows written while Kafka is away stay and come later; PostgreSQL is restarted; SIGTERM is a good end."""
    dsn, topic = private_stack.postgres_dsn(), "outage"
    migrate(dsn)
    make_topic(private_stack, topic)
    with relay_process(private_stack, tmp_path) as process:
        add(dsn, *records_for(topic, 3))
        wait_for(lambda: pending(dsn) == 0)
        private_stack.kafka.kill()
        add(dsn, *records_for(topic, 3, first=3))
        wait_for(lambda: b"waiting for Kafka" in (tmp_path / "relay.log").read_bytes())
        assert pending(dsn) == 3
        private_stack.postgres.restart()
        private_stack.kafka.start()
        wait_for(lambda: pending(dsn) == 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    values = [message.value() for message in read(private_stack.kafka_bootstrap, topic, 6)]
    assert sorted(set(values)) == [b"%d" % n for n in range(6)]
    assert is_in_order(list(dict.fromkeys(values)))


def is_in_order(values: Sequence[bytes]) -> bool:
    """Whether each came after those before it."""
    return [int(value) for value in values] == sorted(int(value) for value in values)


def make_topic(stack: Stack, name: str) -> None:
    """One partition, so that the order can be seen."""
    admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)], operation_timeout=90)[name].result()
