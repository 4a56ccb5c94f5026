"""Reading from a real streaming replica: used when it is sound, passed over when it lags, is away or lacks the row."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from deploy.local import ports
from deploy.local.postgres import Postgres
from schemas.errors import Outage, Rejected, SettingsError
from schemas.settings.stores import PostgresSettings
from sink.jobs.transcripts.search import search
from sink.postgres.database import Connection, Database
from sink.postgres.migrate import migrate
from sink.postgres.replica import MAX_AGE_SECONDS, REST_SECONDS, LsnTracker, ReplicaRouter
from tests.sink.jobs.searching import write
from tests.sink.standby import Standby

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]
PASSWORD = "p"  # of servers that live as long as these tests


class Clock:
    """Time that moves when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder = tmp_path_factory.mktemp("primary")
    server = Postgres(folder, ports.choose(("postgres",), {}, {}), PASSWORD, owned=True, durable=False)
    server.start()
    migrate(server.dsn())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def standby(primary: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    folder: Path = tmp_path_factory.mktemp("standby")
    server = Standby(folder, ports.choose(("postgres",), {}, {}), PASSWORD, primary)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def db(primary: Postgres) -> AsyncIterator[Database]:
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": primary.dsn()})) as opened:
        yield opened


@asynccontextmanager
async def reading_from(db: Database, dsn: str, clock: Clock, *, patience: float = 30) -> AsyncIterator[ReplicaRouter]:
    async with Database.pooled(dsn, 2, timeout=patience) as replica:
        yield ReplicaRouter(db, replica, now=clock)


async def answered_by_replica(connection: Connection) -> bool:
    row = await (await connection.execute("SELECT pg_is_in_recovery() AS it")).fetchone()
    assert row
    return bool(row["it"])


def on(server: Postgres, statement: str) -> object:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def caught_up(primary: Postgres, standby: Standby) -> None:
    """Return when the standby has replayed what the primary has written."""
    # with `flush`, since these servers write what is committed a little later
    position = on(primary, "SELECT pg_logical_emit_message(false, 'test', '', true)::text")
    end = time.monotonic() + 60
    while not on(standby, f"SELECT pg_last_wal_replay_lsn() >= '{position}'"):
        assert time.monotonic() < end
        time.sleep(0.02)


async def answers_in_step(reading: ReplicaRouter, primary: Postgres, standby: Standby) -> None:
    """Return when the replica answers: the primary writes on its own account too, also just before it is asked."""
    async with asyncio.timeout(60):
        while not await reading.run("acme", answered_by_replica):
            caught_up(primary, standby)


async def test_a_replica_answers_and_each_tenant_sees_its_own(
    db: Database, primary: Postgres, standby: Standby
) -> None:
    await write(db, ["a refund"])
    await write(db, ["a refund"], tenant="globex")
    async with reading_from(db, standby.dsn(), Clock()) as reading:
        await answers_in_step(reading, primary, standby)

        async def hits(connection: Connection) -> int:
            assert await answered_by_replica(connection)
            return len((await search(connection, "refund", language=None, after=None, limit=9, seconds=60)).hits)

        assert await reading.run("acme", hits) == 1
        with pytest.raises(Rejected):  # and is not asked again of the primary
            await reading.run("acme", lambda c: search(c, "the", language="en", after=None, limit=1))


async def test_a_replica_takes_no_writes(standby: Standby) -> None:
    async with Database.pooled(standby.dsn(), 1, timeout=90) as replica:
        with pytest.raises(Outage, match="read-only"):
            async with replica.transaction() as connection:
                await connection.execute("INSERT INTO erased_jobs (job_id) VALUES (%s)", [uuid4()])


async def test_what_a_replica_has_not_yet_is_read_from_the_primary(
    db: Database, primary: Postgres, standby: Standby
) -> None:
    """Read your own writes: the replica stands still here, long before anybody would call it late."""
    clock = Clock()
    async with reading_from(db, standby.dsn(), clock) as reading:
        await answers_in_step(reading, primary, standby)
        on(standby, "SELECT pg_wal_replay_pause()")
        try:
            job_id = await write(db, ["said just now"])
            assert await reading.run("acme", lambda c: exists(c, job_id), settled=bool)
            clock.now += 1
            assert await reading.run("acme", answered_by_replica)  # what does not ask for it is still its own to answer
            clock.now += MAX_AGE_SECONDS
            assert not await reading.run("acme", answered_by_replica)  # now it is older than may be
        finally:
            on(standby, "SELECT pg_wal_replay_resume()")
        caught_up(primary, standby)
        assert await reading.run("acme", answered_by_replica)


async def exists(connection: Connection, job_id: UUID) -> bool:
    cursor = await connection.execute("SELECT FROM jobs WHERE job_id = %s", [job_id])
    return await cursor.fetchone() is not None


async def test_a_replica_that_is_away_is_passed_over_and_taken_again(
    db: Database, primary: Postgres, standby: Standby
) -> None:
    clock = Clock()
    async with reading_from(db, standby.dsn(), clock, patience=1) as reading:
        assert await until_true(reading, clock, primary, standby)
        standby.stop()
        try:
            assert not await reading.run("acme", answered_by_replica)
        finally:
            standby.start()
        assert not await reading.run("acme", answered_by_replica)  # nobody waits for it again so soon
        clock.now += REST_SECONDS
        assert await until_true(reading, clock, primary, standby)


async def until_true(reading: ReplicaRouter, clock: Clock, primary: Postgres, standby: Standby) -> bool:
    """The pool makes its connections anew within its own pauses."""
    for _ in range(20):
        caught_up(primary, standby)
        if await reading.run("acme", answered_by_replica):
            return True
        clock.now += REST_SECONDS
    return False


async def test_a_replica_need_not_be_there_at_the_start(db: Database, deaf_port: int) -> None:
    dsn = SecretStr(f"postgresql://scribe@127.0.0.1:{deaf_port}/scribe")
    async with ReplicaRouter.open(db, dsn, 2) as reading:
        assert not await reading.run("acme", answered_by_replica)


async def test_without_a_replica_the_primary_answers(db: Database) -> None:
    async with ReplicaRouter.open(db, None, 2) as reading:
        assert not await reading.run("acme", answered_by_replica)


async def test_a_mistake_names_its_own_setting(db: Database) -> None:
    with pytest.raises(SettingsError, match="SCRIBE_POSTGRES_READ_DSN"):
        async with ReplicaRouter.open(db, SecretStr("nonsense"), 2):
            pass


@given(st.lists(st.floats(0, 20), min_size=1, max_size=40))
def test_no_position_that_is_required_is_older_than_may_be(steps: list[float]) -> None:
    """When the primary is asked as soon as it is due, as it is while it answers."""
    horizon, now = LsnTracker(), 0.0
    for step in steps:
        now += step
        if horizon.due(now):
            horizon.note(now, str(now))
        required = horizon.required(now)
        assert required is not None
        assert now - float(required) < MAX_AGE_SECONDS


def test_while_the_primary_is_away_the_last_position_is_required() -> None:
    horizon = LsnTracker()
    assert horizon.required(0) is None
    horizon.note(0, "0/1")
    horizon.note(5, "0/2")
    assert [horizon.required(now) for now in (6, 11, 1000)] == ["0/1", "0/2", "0/2"]
