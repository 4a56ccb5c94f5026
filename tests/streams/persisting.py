"""Telling the persist app of events, and what then stands in the database."""

from typing import Any

from schemas.events import (
    JobProgress,
    JobRequested,
    JobResult,
)
from sink.jobs import queries
from sink.jobs.queries import JobRow
from sink.postgres.database import Database
from streams.agents.persist import Persist
from tests.streams.jobs import Job


async def tell(persist: Persist, *events: JobRequested | JobProgress | JobResult) -> list[str]:
    """The effect of each event."""
    effects = []
    for event in events:
        match event:
            case JobRequested():
                effects.append(await persist.requested(event))
            case JobProgress():
                effects.append(await persist.progressed(event))
            case JobResult():
                effects.append(await persist.ended(event))
    return effects


async def row_of(db: Database, job: Job) -> JobRow:
    async with db.connection() as connection:
        row = await queries.find(connection, job.job_id, job.tenant)
    assert row is not None
    return row


async def history_of(db: Database, job: Job) -> list[tuple[int, str]]:
    async with db.connection() as connection:
        cursor = await connection.execute(
            "SELECT run, state FROM job_events WHERE job_id = %s ORDER BY id", [job.job_id]
        )
        return [(row["run"], row["state"]) for row in await cursor.fetchall()]


async def rows(db: Database, query: str, *values: Any) -> list[dict[str, Any]]:
    async with db.connection() as connection:
        return await (await connection.execute(query, values)).fetchall()
