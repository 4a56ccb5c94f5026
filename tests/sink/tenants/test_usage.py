"""Usage by day: counted once with the end of a run, merged by the sweep, kept when the job is erased."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import pytest

from schemas.events import JobResult, Outcome, Source
from schemas.settings.stores import PostgresSettings
from sink.jobs.results import StoredTranscript, apply_request, apply_result
from sink.postgres.database import Database
from sink.tenants.usage import DayUsage, merge_usage, usage_of
from tests.samples import AT, BARE_REQUEST, ERROR, TRANSCRIPT

pytestmark = pytest.mark.anyio
DAY = AT.date()
REQUEST = replace(BARE_REQUEST, source=Source(uri="upload://1", size_bytes=5_000_000_000))
NOTHING = DayUsage(day=DAY, completed=0, failed=0, cancelled=0, audio_seconds=0.0, gpu_seconds=0.0, bytes=0, tokens=0)


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as opened:
        yield opened


def ended(outcome: Outcome = Outcome.COMPLETED, days: int = 0, tenant: str = "acme") -> JobResult:
    request = replace(REQUEST, job_id=uuid4(), tenant=tenant)
    return JobResult(
        event_id=uuid4(),
        job_id=request.job_id,
        run=1,
        tenant=tenant,
        request=request,
        outcome=outcome,
        error=ERROR if outcome is Outcome.FAILED else None,
        timings={"decode": 1.0, "transcribe": 2.5, "diarize": 0.5},
        completed_at=AT + timedelta(days=days),
    )


async def end(db: Database, result: JobResult) -> None:
    kept = StoredTranscript(TRANSCRIPT, "s3://x/t.json") if result.outcome is Outcome.COMPLETED else None
    async with db.transaction() as connection:
        await apply_request(connection, result.request)
        await apply_result(connection, result, kept)


async def used(db: Database, tenant: str = "acme", first: date = DAY, days: int = 0) -> tuple[DayUsage, ...]:
    async with db.as_tenant(tenant) as connection:
        return await usage_of(connection, tenant, first, first + timedelta(days=days))


async def merge(db: Database, limit: int = 100) -> int:
    return await db.run(lambda connection: merge_usage(connection, limit))


async def test_a_run_is_counted_once_however_often_its_end_is_told(db: Database) -> None:
    result = ended()
    for _ in range(3):
        await end(db, result)
    completed = replace(NOTHING, completed=1, audio_seconds=TRANSCRIPT.duration, gpu_seconds=3.0, bytes=5_000_000_000)
    assert await used(db) == (completed,)


async def test_what_failed_or_was_cancelled_costs_time_but_is_no_audio(db: Database) -> None:
    await end(db, ended(Outcome.FAILED))
    await end(db, ended(Outcome.CANCELLED))
    assert await used(db) == (replace(NOTHING, failed=1, cancelled=1, gpu_seconds=6.0),)


async def test_merged_entries_count_the_same(db: Database) -> None:
    for days in (0, 0, 1, 0, 1):
        await end(db, ended(days=days))
    before = await used(db, days=1)
    assert [day.completed for day in before] == [3, 2]
    assert await merge(db, 3) == 3
    assert await used(db, days=1) == before
    assert [await merge(db, 3), await merge(db, 3)] == [2, 0]
    await end(db, ended())
    assert [day.completed for day in await used(db, days=1)] == [4, 2]


async def test_it_stays_when_the_job_is_gone(db: Database) -> None:
    await end(db, ended())
    before = await used(db)
    async with db.transaction() as connection:
        await connection.execute("DELETE FROM jobs")
    assert await used(db) == before


async def test_tenants_see_their_own(db: Database) -> None:
    await end(db, ended(tenant="globex"))
    async with db.transaction() as connection:
        for tenant in ("acme", "globex"):
            await connection.execute("INSERT INTO enhanced_ai_spending VALUES (%s, %s, 17)", [tenant, DAY])
    assert await used(db) == (replace(NOTHING, tokens=17),)
    async with db.as_tenant("acme") as connection:  # row security holds where the query would not
        assert await usage_of(connection, "globex", DAY, DAY) == ()
