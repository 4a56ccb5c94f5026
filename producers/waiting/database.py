"""Database facts about a job's wait: for its tenant under row security, for operators without limits."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from producers.waiting.facts import RowFacts
from schemas.errors import Rejected
from schemas.vocabulary.job_states import ENDED, JobState
from sink.enhancements.waiting import held_calls
from sink.jobs.queries import JobRow, find, find_any
from sink.jobs.unfinished.waiting import UnpublishedRecord, erased_at, holds_of, queued_before, state_since, unpublished
from sink.postgres.database import Connection, Database
from sink.postgres.statement_timeout import limited
from sink.webhooks.waiting import held_deliveries


async def facts_for_tenant(database: Database, job_id: UUID, tenant: str, seconds: float) -> RowFacts | None:
    """Facts that a tenant may know of its own job, None without such a job; reading the outbox may take `seconds`."""
    async with database.as_tenant(tenant) as connection:
        job = await find(connection, job_id, tenant)
        if job is None:
            return None
        facts = await _of_job(connection, job)
    return facts if job.state in ENDED else replace(facts, unpublished=await _soon(database, job_id, seconds))


async def facts_for_operator(database: Database, job_id: UUID, seconds: float | None = None) -> RowFacts:
    """All facts in the database, also for an unknown job; each statement may take `seconds`, if there are any."""
    async with database.connection() as connection, limited(connection, seconds) if seconds else nullcontext():
        job = await find_any(connection, job_id)
        records = await unpublished(connection, job_id, refused_too=True)
        if job is None:
            erased = await erased_at(connection, job_id)
            return RowFacts(job_id=job_id, now=await _now(connection), unpublished=records, erased_at=erased)
        return replace(await _of_job(connection, job), unpublished=records, holds=await holds_of(connection, job))


async def _soon(database: Database, job_id: UUID, seconds: float) -> tuple[UnpublishedRecord, ...]:
    """The outbox records of a job, which tenants may not read; the job was already found to be the tenant's.

    Empty when the outbox has so many rows that reading takes too long.
    """
    try:
        async with database.connection() as connection, limited(connection, seconds):
            return await unpublished(connection, job_id, refused_too=False)
    except Rejected:
        return ()


async def _of_job(connection: Connection, job: JobRow) -> RowFacts:
    queued = job.state == JobState.QUEUED
    return RowFacts(
        job_id=job.job_id,
        now=await _now(connection),
        job=job,
        state_since=await state_since(connection, job),
        ahead=await queued_before(connection, job) if queued else None,
        deliveries=await held_deliveries(connection, job.job_id),
        calls=await held_calls(connection, job.job_id),
    )


async def _now(connection: Connection) -> datetime:
    row = await (await connection.execute("SELECT now() AS now")).fetchone()
    assert row is not None, "it has one row"  # noqa: S101 - for the type checker
    return row["now"]  # type: ignore[no-any-return]
