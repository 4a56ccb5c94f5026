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
    found = (await read(db)).pending
    async with db.transaction() as connection:
        row = await queries.find(connection, request.job_id, "acme")
    assert row is not None
    assert found == (PendingJob.of_row(row),)
    assert found == (PendingJob.of_request(request.job_id, "acme", to_json(request), request.requested_at),)


async def test_unfinished_jobs_of_all_tenants_are_there_in_their_order(db: Database) -> None:
    later = await put(db, asked(10))
    running = await put(db, asked(5, tenant="globex"), "diarizing", total_seconds=60, done_seconds=20)
    await put(db, asked(1), "failed")
    await put(db, replace(FULL_REQUEST, job_id=uuid4()), "cancelled")
    found = (await read(db)).pending
    assert [job.job_id for job in found] == [running, later]
    assert (found[0].running, found[0].total_seconds, found[0].done_seconds, found[0].tenant) == (
        True,
        60,
        20,
        "globex",
    )
    assert (found[1].running, found[1].total_seconds) == (False, None)


async def test_the_latest_completed_jobs_are_there_with_their_times(db: Database) -> None:
    source = Source(uri="upload://1", name="a.wav", size_bytes=320_000)
    request = asked(-600, source=source, options=Options(model="large"))
    ended = NOW - timedelta(minutes=5)
    await put(db, request, "completed", completed_at=ended, duration=10.0)
    await put(db, asked(), "completed", completed_at=NOW - timedelta(hours=2), duration=10.0)
    (found,) = (await read(db)).completed
    assert (found.model, found.suffix, found.size_bytes, found.audio) == ("large", "wav", 320_000, 10.0)
    assert (found.requested_at, found.completed_at - found.started_at) == (request.requested_at, timedelta(minutes=1))


async def test_only_so_many_jobs_are_read(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlogs, "MOST_PENDING", 2)
    first, second = await put(db, asked(1)), await put(db, asked(2))
    assert (await read(db)).is_whole
    await put(db, asked(3))
    found = await read(db)
    assert ([job.job_id for job in found.pending], found.is_whole) == ([first, second], False)
