"""The loop of the process that deletes what is over, on real PostgreSQL and a real object store."""

import asyncio
import copy
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from schemas.settings.stores import PostgresSettings
from schemas.tenants.retention import RetentionRules
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.retention import erasure
from sink.retention.leader import RetentionSession
from streams.retention.orphans import Orphans
from streams.retention.process import RetentionSweeps, SweepTiming
from streams.retention.sweep import Sweep
from tests.sink.bulk import fill, objects, traces

pytestmark = pytest.mark.anyio
NEVER = 3600.0
# nothing but the first sweep and what is announced
ANNOUNCED = SweepTiming(
    sweep_seconds=NEVER, recheck_seconds=NEVER, orphans_seconds=NEVER, poll_seconds=0.1, pause_seconds=0.1
)


async def done(db: Database, job_id: UUID) -> None:
    """Wait until an erasure that is asked for now has taken the objects."""
    async with db.transaction() as connection:
        await erasure.erase(connection, "acme", job_id, "key", datetime.now(UTC))
    async with asyncio.timeout(60):
        while True:
            async with db.connection() as connection:
                found = await erasure.find_erasure(connection, "acme", job_id)
            if found and found.done_at:
                return
            await asyncio.sleep(0.05)


async def leader(db: Database, after: int = 0) -> int:
    """The connection that leads, as soon as one does that is not `after`."""
    query = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s"
    key = RetentionSession.leader_lock
    async with asyncio.timeout(60):
        while True:
            async with db.connection() as connection:
                cursor = await connection.execute(
                    f"{query} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())".encode(),
                    [key >> 32, key & 0xFFFFFFFF],
                )
                if (row := await cursor.fetchone()) and row["pid"] != after:
                    return int(row["pid"])
            await asyncio.sleep(0.05)


async def test_a_leader_that_loses_its_connection_leads_again_and_hears_what_is_asked_for(
    database: str, object_store: S3ObjectStore, db: Database
) -> None:
    bulk = fill(database, object_store, 2, datetime.now(UTC))
    sweeps = RetentionSweeps(db, Sweep(db, object_store, RetentionRules()), Orphans(db, object_store), ANNOUNCED)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(sweeps.run(stop))
        first = await leader(db)
        await done(db, bulk.job_ids[0])
        with psycopg.connect(database) as connection:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
        await leader(db, after=first)
        await done(db, bulk.job_ids[1])
        assert sweeps.waiting is None
        stop.set()
    assert objects(object_store, bulk) == []


class Stopping(S3ObjectStore):
    """Somebody asks for the end while it deletes."""

    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event

    def erase(self, prefix: str, spare: tuple[str, ...] = ()) -> int:
        self.loop.call_soon_threadsafe(self.stop.set)
        return super().erase(prefix, spare)


async def test_an_end_in_the_middle_of_a_sweep_ends_with_the_batch_and_the_next_sweep_goes_on(
    database: str, object_store: S3ObjectStore, db: Database
) -> None:
    over = fill(database, object_store, 30, datetime.now(UTC) - timedelta(days=400))
    store, stop = copy.copy(object_store), asyncio.Event()
    store.__class__ = Stopping
    store.loop, store.stop = asyncio.get_running_loop(), stop  # type: ignore[attr-defined]
    await RetentionSweeps(db, Sweep(db, store, RetentionRules(), batch=7), Orphans(db, store), ANNOUNCED).run(stop)
    assert 0 < len(objects(object_store, over)) < len(over.keys())
    assert await RetentionSweeps(db, Sweep(db, object_store, RetentionRules()), Orphans(db, object_store)).once(
        asyncio.Event()
    )
    assert (traces(database, over), objects(object_store, over)) == ({}, [])


async def test_who_sweeps_once_leaves_it_to_whoever_leads(
    database: str, object_store: S3ObjectStore, db: Database
) -> None:
    over = fill(database, object_store, 1, datetime.now(UTC) - timedelta(days=400))
    sweeps = RetentionSweeps(db, Sweep(db, object_store, RetentionRules()), Orphans(db, object_store))
    async with RetentionSession.open(db) as session:
        assert await session.lead()
        assert await sweeps.once(asyncio.Event())
        assert objects(object_store, over) == sorted(over.keys())
    assert await sweeps.once(asyncio.Event())
    assert objects(object_store, over) == []


@pytest.mark.parametrize("end", ["stop", "cancel"])
async def test_an_end_in_the_moment_in_which_a_connection_is_granted_comes(
    database: str, object_store: S3ObjectStore, end: str
) -> None:
    """What sweeps waits for the only connection."""
    settings = PostgresSettings.model_validate({"postgres_dsn": database, "postgres_pool_size": 1})
    async with Database.open(settings, timeout=60) as one:
        for steps in range(7):
            stop = asyncio.Event()
            connection = await one._pool.getconn()
            sweeps = RetentionSweeps(
                one, Sweep(one, object_store, RetentionRules()), Orphans(one, object_store), ANNOUNCED
            )
            running = asyncio.create_task(sweeps.run(stop))
            while not one._pool._waiting:
                await asyncio.sleep(0)
            await one._pool.putconn(connection)
            for _ in range(steps):
                await asyncio.sleep(0)
            stop.set() if end == "stop" else running.cancel()
            assert (await asyncio.wait({running}, timeout=60))[0], f"{steps} steps after the grant"
