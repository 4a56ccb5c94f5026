"""The outbox: waiting rows in order, what is published, how late it is."""

import asyncio
from datetime import timedelta

import pytest

from schemas.settings.stores import PostgresSettings
from schemas.wire.records import Record
from sink.jobs import outbox
from sink.jobs.outbox import OutboxBacklog, OutboxSession
from sink.postgres.database import Database

pytestmark = pytest.mark.anyio


def record(number: int) -> Record:
    return Record("topic", b"key", b"%d" % number, {"name": "שלום"})


async def test_rows_wait_in_order_until_they_are_marked(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, OutboxSession.open(db) as session:
        assert await session.backlog() == OutboxBacklog(0, 0.0)
        async with db.transaction() as connection:
            for number in range(3):
                await outbox.add(connection, record(number))
        rows = await session.pending(2)
        assert [row.record for row in rows] == [record(0), record(1)]
        await session.mark_published(rows)
        assert [row.record for row in await session.pending(10)] == [record(2)]
        backlog = await session.backlog()
        assert backlog.pending == 1
        assert backlog.oldest_seconds >= 0
        assert await session.prune(timedelta(hours=1)) == 0
        assert await session.prune(timedelta(hours=-1)) == 2
        assert len(await session.pending(10)) == 1


async def test_only_one_session_leads_and_its_end_frees_the_place(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, OutboxSession.open(db) as other:
        async with OutboxSession.open(db) as first:
            assert await first.lead()
            assert not await other.lead()
        # the server lets go of it when it has noticed that the connection is closed
        async with asyncio.timeout(60):
            while not await other.lead():
                await asyncio.sleep(0.02)


async def test_a_new_row_ends_the_wait_after_its_commit(database: str) -> None:
    """The wait is an hour long, so that only the announcement can end it."""
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, OutboxSession.open(db) as session:
        async with db.transaction() as connection:
            await outbox.add(connection, record(1))
        await session.wait(3600)
        assert len(await session.pending(10)) == 1
