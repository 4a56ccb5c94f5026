"""Accepting and reading jobs: all or nothing, and only one's own."""

from dataclasses import replace
from uuid import uuid4

import pytest

from schemas.events import JobResult, Outcome
from schemas.records import Record
from schemas.settings import PostgresSettings
from sink import jobs, outbox
from sink.postgres import Database
from sink.results import Kept, apply_result
from tests.samples import AT, BARE_REQUEST, FULL_REQUEST, TRANSCRIPT

pytestmark = pytest.mark.anyio
RECORD = Record("scribe.jobs", b"key", b"value", {"ce_id": "1"})


async def test_a_job_and_its_outbox_row_are_committed_together(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db:
        with pytest.raises(ZeroDivisionError):
            await _accept_and_fail(db)
        async with db.connection() as connection:
            assert await jobs.find(connection, BARE_REQUEST.job_id, "acme") is None
            assert (await outbox.backlog(connection)).pending == 0


async def _accept_and_fail(db: Database) -> None:
    async with db.transaction() as connection:
        assert await jobs.accept(connection, BARE_REQUEST, b"digest", RECORD)
        raise ZeroDivisionError


async def test_an_id_is_taken_once(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db:
        async with db.transaction() as connection:
            assert await jobs.accept(connection, FULL_REQUEST, b"digest", RECORD)
            assert not await jobs.accept(connection, FULL_REQUEST, b"other", RECORD)
            assert not await jobs.accept(connection, replace(BARE_REQUEST, tenant="globex"), b"other", RECORD)
        async with db.connection() as connection:
            job = await jobs.find(connection, FULL_REQUEST.job_id, "acme")
            assert job
            assert (job.state, job.fingerprint, job.request["metadata"]) == ("queued", b"digest", FULL_REQUEST.metadata)
            assert [line.state for line in await jobs.history(connection, job.job_id)] == ["queued"]
            assert await jobs.find(connection, FULL_REQUEST.job_id, "globex") is None
            assert (await outbox.backlog(connection)).pending == 1
            assert await jobs.queue_depth(connection) == 1


async def test_the_transcript_is_read_back_as_it_was_kept(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db:
        async with db.transaction() as connection:
            result = JobResult(
                event_id=uuid4(),
                job_id=FULL_REQUEST.job_id,
                run=FULL_REQUEST.run,
                tenant="acme",
                request=FULL_REQUEST,
                outcome=Outcome.COMPLETED,
                completed_at=AT,
            )
            await apply_result(connection, result, Kept(TRANSCRIPT, "s3://scribe/t.json"))
        async with db.connection() as connection:
            job = await jobs.find(connection, FULL_REQUEST.job_id, "acme")
            assert job
            assert await jobs.transcript(connection, job) == TRANSCRIPT


async def test_there_is_no_job_of_an_unknown_id(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, db.connection() as connection:
        assert await jobs.find(connection, uuid4(), "acme") is None
