"""Calls of the enhanced-AI service: due when their job has ended, leased by tenants' shares, whatever else waits."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection

from schemas.events import EnhancementRequest, Outcome
from schemas.settings.stores import PostgresSettings
from sink.enhancements.calls import lease, waiting
from sink.enhancements.requests import ask
from sink.jobs.results import StoredTranscript, apply_request, apply_result
from sink.postgres.database import Connection, Database
from sink.postgres.migrate import FOLDER, migrate
from tests.samples import TRANSCRIPT
from tests.streams.jobs import Job, new_job

pytestmark = pytest.mark.anyio
LEASING: dict[str, Any] = {"free": 4, "per_tenant": 2, "seconds": 30.0}


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, db.session() as opened:
        yield opened


async def asked(connection: Connection, job: Job, run: int = 1) -> UUID:
    wishes = EnhancementRequest(enhancement_id=uuid4(), summarization=True)
    assert await ask(connection, job.tenant, job.job_id, run, wishes)
    return wishes.enhancement_id


async def ended(connection: Connection, job: Job, run: int = 1, outcome: Outcome = Outcome.COMPLETED) -> None:
    kept = StoredTranscript(TRANSCRIPT, "s3://x/t.json") if outcome is Outcome.COMPLETED else None
    await apply_result(connection, job.result(run, outcome), kept)


async def due(connection: Connection) -> set[UUID]:
    """The calls that have a time."""
    cursor = await connection.execute("SELECT enhancement_id FROM enhancement_calls WHERE next_attempt_at <= now()")
    return {row["enhancement_id"] for row in await cursor.fetchall()}


async def leased(connection: Connection, **changes: Any) -> set[UUID]:
    return {call.enhancement_id for call in await lease(connection, **{**LEASING, **changes})}


async def test_a_call_is_due_when_its_job_has_ended_in_whatever_order_they_come(connection: Connection) -> None:
    before, after, alone, failing = new_job(), new_job(), new_job(), new_job()
    await apply_request(connection, before.request())
    early, lost, failed = (
        await asked(connection, before),
        await asked(connection, alone),
        await asked(connection, failing),
    )
    assert await due(connection) == await leased(connection) == set()
    await ended(connection, before)
    await ended(connection, failing, outcome=Outcome.FAILED)  # the job's row comes with its end
    await ended(connection, after)
    late = await asked(connection, after)
    foreign = await asked(connection, replace(after, tenant="mallory"))
    assert await due(connection) == {early, failed, late}
    assert await waiting(connection) == 5
    assert await waiting(connection, most=3) == 3
    assert await leased(connection) | await leased(connection) == {early, failed}
    assert {lost, foreign}.isdisjoint(await due(connection))


async def test_a_job_that_begins_anew_takes_the_time_from_what_has_not_begun(connection: Connection) -> None:
    job = new_job()
    await ended(connection, job)
    call = await asked(connection, job)
    await apply_request(connection, job.request(2))
    assert await due(connection) == set()
    later = await asked(connection, job, run=3)
    await ended(connection, job, run=2)
    assert await due(connection) == await leased(connection) == {call}
    await ended(connection, job, run=3)
    assert later in await due(connection)


async def test_ends_are_announced_to_whoever_waits_for_calls(connection: Connection) -> None:
    job, silent = new_job(), new_job()
    await asked(connection, job)
    await connection.execute("LISTEN scribe_enhancements")
    await ended(connection, silent)
    assert [n async for n in connection.notifies(timeout=0.05)] == []
    await ended(connection, job)
    assert len([n async for n in connection.notifies(timeout=60, stop_after=1)]) == 1


# 20,000 calls of a tenant that are due and as many whose jobs run, in front of one call of another tenant
_MANY = """
WITH j AS (
    INSERT INTO jobs (job_id, tenant, state, request, requested_at)
    SELECT md5(n::text)::uuid, 'acme', CASE WHEN n % 2 = 0 THEN 'completed' ELSE 'queued' END, '{}', now()
    FROM generate_series(1, 40000) AS n RETURNING job_id, state
)
INSERT INTO enhancement_calls (enhancement_id, job_id, tenant, run, summarization, entity_extraction, next_attempt_at)
SELECT gen_random_uuid(), job_id, 'acme', 1, true, true, CASE state WHEN 'completed' THEN now() - interval '1 day' END FROM j"""


_FETCHED = """
SELECT relname, seq_tup_read + idx_tup_fetch AS rows FROM pg_stat_xact_user_tables
WHERE relname IN ('enhancement_calls', 'jobs')"""


async def fetched(connection: Connection) -> dict[str, int]:
    """Rows that this session has read, by table."""
    rows = await (await connection.execute(_FETCHED)).fetchall()
    return {row["relname"]: row["rows"] for row in rows}


async def test_what_one_tenant_has_waiting_delays_nobody(connection: Connection) -> None:
    await connection.execute(_MANY)
    other = new_job(tenant="globex")
    await ended(connection, other)
    call = await asked(connection, other)
    await connection.execute("VACUUM ANALYZE enhancement_calls, jobs")
    for _ in range(8):  # also by the plan that a session settles on
        async with connection.transaction(force_rollback=True):
            before = await fetched(connection)
            await lease(connection, **LEASING)
            after = await fetched(connection)
        assert after["enhancement_calls"] - before["enhancement_calls"] < 50
        assert after["jobs"] - before["jobs"] < 10
    first = await lease(connection, **LEASING)
    assert sorted(found.tenant for found in first) == ["acme", "acme", "globex"]
    assert call in {found.enhancement_id for found in first}
    assert await lease(connection, **LEASING) == []


# as the version before wrote it
OLD_ASK = """
INSERT INTO enhancement_calls (enhancement_id, job_id, tenant, run, summarization, entity_extraction)
VALUES (%s, %s, 'acme', 1, true, false)"""


async def test_calls_of_the_version_before_are_made_when_their_jobs_have_ended(database: str, tmp_path: Path) -> None:
    for path in FOLDER.glob("00*.sql"):
        if path.name < "0015":
            shutil.copy(path, tmp_path)
    done, running, later = new_job(), new_job(), new_job()
    ids = {job: uuid4() for job in (done, running, later)}
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        await connection.execute("DROP SCHEMA public CASCADE")
        await connection.execute("CREATE SCHEMA public")
    migrate(database, tmp_path)
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, db.session() as session:
        # the columns and the table that today's statements about jobs name
        await session.execute((FOLDER / "0027_coverage.sql").read_bytes())
        await session.execute(
            "CREATE TABLE usage_entries (id serial, tenant text, day date, completed bigint,"
            " failed bigint, cancelled bigint, audio_seconds float8, gpu_seconds float8, bytes numeric)"
        )
        await apply_request(session, running.request())
        await ended(session, done)
        for job in (done, running):
            await session.execute(OLD_ASK, [ids[job], job.job_id])
        await session.execute("DROP TABLE usage_entries")
        migrate(database)
        await session.execute(OLD_ASK, [ids[later], later.job_id])  # by a process that is not replaced yet
        assert await leased(session) == {ids[done]}
        await ended(session, running)
        await ended(session, later)
        assert await leased(session) | await leased(session, per_tenant=4) == {ids[running], ids[later]}
        assert await due(session) == set(ids.values())
