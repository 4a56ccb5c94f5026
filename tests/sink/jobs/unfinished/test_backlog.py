"""The backlog as it stands in the database, and the jobs that completed last."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from schemas.events import JobRequested, Options, Priority, Source
from schemas.settings.stores import PostgresSettings
from schemas.wire.serde import to_json
from sink.jobs import queries
from sink.jobs.unfinished import backlog as backlogs
from sink.jobs.unfinished.backlog import Backlog, PendingJob, read_backlog
from sink.postgres.database import Database
from tests.samples import BARE_REQUEST, FULL_REQUEST

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as opened:
        yield opened


async def put(db: Database, request: JobRequested, state: str = "queued", **columns: Any) -> UUID:
    """A job as it stands at some moment, which began a minute before it completed."""
    values = {"tenant": request.tenant, "state": state, "requested_at": request.requested_at, **columns}
    values |= {"job_id": request.job_id, "request": Jsonb(to_json(request))}
    async with db.transaction() as connection:
        names, marks = ", ".join(values), ", ".join(f"%({name})s" for name in values)
        await connection.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})".encode(), values)
        if ended := columns.get("completed_at"):
            await connection.execute(
                "INSERT INTO job_events (job_id, run, state, at) VALUES (%s, 1, 'transcribing', %s)",
                [request.job_id, ended - timedelta(minutes=1)],
            )
    return request.job_id


def asked(seconds: float = 0, **values: Any) -> JobRequested:
    return replace(BARE_REQUEST, job_id=uuid4(), requested_at=NOW + timedelta(seconds=seconds), **values)


async def read(db: Database) -> Backlog:
    async with db.connection() as connection:
        return await read_backlog(connection)


SOURCES = [
    Source(uri="https://media.example/a/call.OPUS"),
    Source(uri="https://media.example/no-suffix"),
    Source(uri="https://media.example/call.tar.gz", size_bytes=17),
    Source(uri="upload://1", name="שיחה 17.wav", size_bytes=2**40),
    Source(uri="upload://1", name="trailing."),
    Source(uri="upload://1", name="two\nlines.mp3"),
]


@pytest.mark.parametrize("source", SOURCES)
async def test_a_job_of_the_backlog_is_that_of_its_row_and_its_request(db: Database, source: Source) -> None:
    """Three ways lead to it, and an estimate may take any of them."""
    request = asked(source=source, options=Options(model="large"), priority=Priority.EXPRESS)
    await put(db, request)
    found = (await read(db)).queued
    async with db.transaction() as connection:
        row = await queries.find(connection, request.job_id, "acme")
    assert row is not None
    assert found == (PendingJob.of_row(row),)
    assert found == (PendingJob.of_request(request.job_id, "acme", to_json(request), request.requested_at),)


async def test_unfinished_jobs_of_all_tenants_are_there_in_their_order(db: Database) -> None:
    later = await put(db, asked(10))
    first = await put(db, asked(5, tenant="globex", priority=Priority.EXPRESS))
    request = asked(7, tenant="globex")
    running = await put(db, request, "diarizing", total_seconds=60, done_seconds=20)
    async with db.transaction() as connection:
        await connection.execute(
            "INSERT INTO job_events (job_id, run, state, at) VALUES (%s, 1, 'transcribing', %s)", [running, NOW]
        )
    await put(db, asked(1), "failed")
    await put(db, replace(FULL_REQUEST, job_id=uuid4()), "cancelled")
    found = await read(db)
    assert [job.job_id for job in found.queued] == [first, later]
    assert found.queued_jobs == {("acme", False): 1, ("globex", True): 1}
    (only,) = found.running
    assert (only.job_id, only.running, only.total_seconds, only.done_seconds) == (running, True, 60, 20)
    assert (only.tenant, only.state, only.started_at) == ("globex", "diarizing", NOW)


async def test_the_latest_completed_jobs_are_there_with_their_times(db: Database) -> None:
    source = Source(uri="upload://1", name="a.wav", size_bytes=320_000)
    request = asked(-600, source=source, options=Options(model="large", diarize=False))
    ended, timings = NOW - timedelta(minutes=5), Jsonb({"decode": 1.0, "transcribe": 2.5})
    await put(db, request, "completed", completed_at=ended, duration=10.0, timings=timings)
    await put(db, asked(), "completed", completed_at=NOW - timedelta(hours=2), duration=10.0)
    (found,) = (await read(db)).completed
    assert (found.model, found.suffix, found.size_bytes, found.audio) == ("large", "wav", 320_000, 10.0)
    assert (found.diarize, found.transcribe_seconds, found.diarize_seconds) == (False, 2.5, 0.0)
    assert (found.requested_at, found.completed_at - found.started_at) == (request.requested_at, timedelta(minutes=1))


async def test_each_tenant_has_its_first_jobs_read_and_the_others_counted(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlogs, "MOST_QUEUED", 4)
    monkeypatch.setattr(backlogs, "LEAST_QUEUED", 1)
    acme = [await put(db, asked(number)) for number in range(5)]
    globex = await put(db, asked(10, tenant="globex"))
    found = await read(db)
    assert [job.job_id for job in found.queued] == [*acme[:2], globex]
    assert found.queued_jobs == {("acme", False): 5, ("globex", False): 1}
