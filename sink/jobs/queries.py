"""Queries of REST and the command line: a job's state, history and transcript."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow

from schemas.transcript import Transcript
from schemas.wire.serde import transcript_from_json
from sink.jobs.states import ENDED_STATES
from sink.postgres.database import Connection, Database


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job's row in the database; times of audio in seconds, `request` is JobRequested as JSON."""

    job_id: UUID
    tenant: str
    run: int
    state: str
    request: dict[str, Any]
    fingerprint: bytes | None
    attempt: int
    done_seconds: float | None
    total_seconds: float | None
    language: str | None
    language_probability: float | None
    duration: float | None
    speech: float | None
    uncovered: float | None
    speakers: list[str]
    models: list[dict[str, Any]]
    timings: dict[str, float]
    warnings: list[str]
    error: dict[str, Any] | None
    transcript_uri: str | None
    requested_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    cancelled_run: int
    """Up to which run somebody asked for it to be stopped."""
    cancel_requested_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """One line of a job's history."""

    run: int
    state: str
    detail: dict[str, Any]
    at: datetime


JOB_COLUMNS = ", ".join(JobRow.__dataclass_fields__)
COLUMNS_OF_CALL = ", ".join(f"(answer.job).{name}" for name in JobRow.__dataclass_fields__)
_ENDED = f"""
SELECT array_agg(job_id) AS ended FROM unnest(%(job_ids)s::uuid[]) AS asked (job_id) LEFT JOIN jobs USING (job_id)
WHERE jobs.state IS NULL OR jobs.state IN {ENDED_STATES}"""  # noqa: S608 - our own words
_READ = f"SELECT {COLUMNS_OF_CALL}, answer.history, answer.enhancements FROM scribe_read_job(%(job_id)s, %(tenant)s) AS answer"  # noqa: S608 - our own column names


@dataclass(frozen=True, slots=True)
class JobDetail:
    """A job, its history, and the states of its enhancements by their ids; both oldest first."""

    job: JobRow
    history: list[StateChange]
    enhancements: dict[UUID, str]


async def read(database: Database, job_id: UUID, tenant: str) -> JobDetail | None:
    """A tenant's job with everything but its transcript; None for a job of another tenant."""
    row = await database.call(_READ, {"job_id": job_id, "tenant": tenant})
    assert row is not None, "a call has one row"  # noqa: S101 - for the type checker
    history, enhancements = row.pop("history") or (), row.pop("enhancements") or ()
    job = job_of_call(row)
    if job is None:
        return None
    return JobDetail(
        job,
        [StateChange(**{**line, "at": datetime.fromisoformat(line["at"]).astimezone(UTC)}) for line in history],
        {UUID(line["enhancement_id"]): line["state"] for line in enhancements},
    )


def job_of_call(row: DictRow) -> JobRow | None:
    """The job in the answer of a call, None when there is none."""
    return JobRow(**row) if row["job_id"] else None


async def find(connection: Connection, job_id: UUID, tenant: str) -> JobRow | None:
    """A tenant's job; None for a job of another tenant."""
    query = f"SELECT {JOB_COLUMNS} FROM jobs WHERE job_id = %s AND tenant = %s"  # noqa: S608 - our own column names
    row = await (await connection.execute(query, [job_id, tenant])).fetchone()
    return JobRow(**row) if row else None


async def has_waiting(connection: Connection, tenant: str, most: int) -> bool:
    """Whether at least `most` jobs of a tenant wait for their turn."""
    cursor = await connection.execute(
        "SELECT FROM jobs WHERE tenant = %s AND completed_at IS NULL AND state = 'queued' LIMIT %s", [tenant, most]
    )
    return cursor.rowcount >= most


async def find_any(connection: Connection, job_id: UUID) -> JobRow | None:
    """A job of any tenant, for operators."""
    query = f"SELECT {JOB_COLUMNS} FROM jobs WHERE job_id = %s"  # noqa: S608 - our own column names
    row = await (await connection.execute(query, [job_id])).fetchone()
    return JobRow(**row) if row else None


async def find_each(connection: Connection, job_ids: Sequence[UUID], tenant: str) -> dict[UUID, JobRow]:
    """The jobs of a tenant with some ids, by these."""
    query = f"SELECT {JOB_COLUMNS} FROM jobs WHERE job_id = ANY(%s) AND tenant = %s"  # noqa: S608 - our own column names
    rows = await (await connection.execute(query, [list(job_ids), tenant])).fetchall()
    return {row["job_id"]: JobRow(**row) for row in rows}


async def ended_among(database: Database, job_ids: Sequence[UUID]) -> set[UUID]:
    """The ids among some of jobs, of whichever tenants, that have ended or are gone."""
    row = await database.call(_ENDED, {"job_ids": list(job_ids)})
    return set(row["ended"] or ()) if row else set()


async def transcript(connection: Connection, job: JobRow, *, words: bool = True) -> Transcript:
    """The transcript of a completed job as the machine made it, from its segments; without `words` these have none."""
    cursor = await connection.execute(
        'SELECT start_s AS start, end_s AS "end", text, speaker, channel, language,'
        " CASE WHEN %s THEN words ELSE '[]' END AS words FROM segments WHERE job_id = %s ORDER BY position",
        [words, job.job_id],
    )
    return transcript_from_json(
        {
            "language": job.language or "",
            "language_probability": job.language_probability,
            "duration": job.duration or 0.0,
            "segments": await cursor.fetchall(),
            "warnings": job.warnings,
            "speech": job.speech,
            "uncovered": job.uncovered,
        }
    )
