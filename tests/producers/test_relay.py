"""The end of the relay: it comes when it is asked for, whatever the relay waits for."""

import asyncio
from collections.abc import Callable

import pytest

from producers.relay import GROUP, Relay
from schemas.errors import Outage
from schemas.ports import Refused
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import ClosedGate, WaitReport
from schemas.settings.stores import PostgresSettings
from schemas.wire.records import Record
from sink.jobs import outbox
from sink.jobs.outbox import OutboxSession
from sink.postgres.database import Database

pytestmark = pytest.mark.anyio
NEVER = 3600.0
PATIENCE = 60.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Nobody:
    """A publisher that is not asked."""

    def publish(self, *records: Record) -> None:
        raise AssertionError(records)


async def ends(relay: Relay, begun: Callable[[], bool]) -> bool:
    """Whether it ends by itself when it is stopped in the midst of its waits, which are long."""
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    async with asyncio.timeout(PATIENCE):
        while not begun():
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)  # into the wait that follows
    stop.set()
    await asyncio.wait({running}, timeout=PATIENCE)
    return running.done() and running.exception() is None


async def test_a_leader_that_waits_for_rows_ends(database: str) -> None:
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as db:
        relay = Relay(db, Nobody(), poll=NEVER, pause=NEVER)
        assert await ends(relay, lambda: relay.leads)
        assert not relay.leads


async def test_one_that_stands_by_ends(database: str) -> None:
    async with (
        Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as db,
        OutboxSession.open(db) as leader,
    ):
        assert await leader.lead()
        relay = Relay(db, Nobody(), poll=NEVER, pause=NEVER)
        assert await ends(relay, lambda: relay.connected)


async def test_one_that_waits_for_its_database_ends(deaf_port: int) -> None:
    async with Database.pooled(f"host=127.0.0.1 port={deaf_port} dbname=scribe", 1, timeout=1) as db:
        relay = Relay(db, Nobody(), poll=NEVER, pause=NEVER)
        assert await ends(relay, lambda: True)


class Away:
    """A publisher whose broker does not answer."""

    def publish(self, *records: Record) -> None:
        raise Outage("Kafka: no answer")


async def test_a_relay_says_what_waits_while_kafka_is_away(database: str) -> None:
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as db:
        async with db.transaction() as connection:
            await outbox.add(connection, Record("topic", b"key", b"value", {}))
        relay, stop = Relay(db, Away(), poll=0.01, pause=0.01), asyncio.Event()
        assert relay.waits() == WaitReport(
            closed=(ClosedGate(GROUP, WaitReason.OUTAGE),)
        )  # PostgreSQL is not reached yet
        running = asyncio.create_task(relay.run(stop))
        async with asyncio.timeout(PATIENCE):
            while not relay.waits().waiting:
                await asyncio.sleep(0.01)
        report = relay.waits()
        stop.set()
        await running
        [waiting] = report.waiting
        assert (waiting.group, waiting.reason, waiting.jobs) == (GROUP, WaitReason.OUTBOX_UNPUBLISHED, 1)
        assert report.closed == (ClosedGate(GROUP, WaitReason.OUTAGE),)
        # when another one leads: what this one knew of Kafka counts no more
        async with OutboxSession.open(db) as leader:
            assert await leader.lead()
            stop = asyncio.Event()
            running = asyncio.create_task(relay.run(stop))
            async with asyncio.timeout(PATIENCE):
                while not relay.connected:
                    await asyncio.sleep(0.01)
            assert relay.waits() == WaitReport()
            stop.set()
            await running


class Narrow:
    """A publisher whose broker is away once, and then takes no record."""

    def __init__(self) -> None:
        self.away = True

    def publish(self, *records: Record) -> None:
        if self.away:
            self.away = False
            raise Outage("Kafka: no answer")
        raise Refused((0,), "too large")


async def test_a_broker_that_refuses_a_record_is_not_away(database: str) -> None:
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as db:
        async with db.transaction() as connection:
            await outbox.add(connection, Record("topic", b"key", b"value", {}))
        relay, stop = Relay(db, Narrow(), poll=0.01, pause=0.01), asyncio.Event()
        running = asyncio.create_task(relay.run(stop))
        async with asyncio.timeout(PATIENCE), db.session() as connection:
            while not await (await connection.execute("SELECT id FROM outbox WHERE failed_at IS NOT NULL")).fetchone():
                await asyncio.sleep(0.01)
        assert relay.waits().closed == ()
        stop.set()
        await running
