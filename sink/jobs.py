"""Jobs as the doors see them: accepting one together with its outbox row, and reading its state, history and transcript."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from schemas.events import JobRequested
from schemas.records import Record
from schemas.serde import to_json, transcript_from_json
from schemas.transcript import Transcript
from sink import outbox
from sink.job_lock import lock, lock_waiting
from sink.postgres import Connection

QUEUED = "queued"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job as it stands in the database; times of audio in seconds, `request` is JobRequested as JSON."""

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


_COLUMNS = ", ".join(JobRow.__dataclass_fields__)
_INSERT = """
INSERT INTO jobs (job_id, tenant, recording_id, run, state, request, fingerprint, requested_at)
SELECT %(job_id)s, %(tenant)s, %(recording_id)s, %(run)s, %(state)s, %(request)s, %(fingerprint)s, %(requested_at)s
WHERE NOT scribe_is_erased(%(job_id)s)
ON CONFLICT (job_id) DO NOTHING"""


async def accept(connection: Connection, request: JobRequested, fingerprint: bytes, record: Record) -> bool:
    """Insert a queued job, its first line of history and its outbox row in the caller's transaction.

    Returns False, and changes nothing, when the id is taken or was erased.
    """
    values = {
        "job_id": request.job_id,
        "tenant": request.tenant,
        "recording_id": request.recording_id,
        "run": request.run,
        "state": QUEUED,
        "request": Jsonb(to_json(request.without_query())),
        "fingerprint": fingerprint,
        "requested_at": request.requested_at,
    }
    await lock(connection, request.job_id)
    if (await connection.execute(_INSERT, values)).rowcount == 0:
        return False
    await connection.execute(
        "INSERT INTO job_events (job_id, run, state, at) VALUES (%(job_id)s, %(run)s, %(state)s, %(requested_at)s)",
        values,
    )
    await outbox.add(connection, record)
    return True


async def waits_beyond(connection: Connection, tenant: str, most: int) -> bool:
    """Whether more than `most` jobs of a tenant wait for their turn; until the transaction ends nobody else may ask.

    So of two transactions that each add one, the second sees what the first has added.
    """
    await lock_waiting(connection, tenant)
    cursor = await connection.execute(
        "SELECT count(*) AS found FROM (SELECT 1 FROM jobs"
        " WHERE tenant = %s AND completed_at IS NULL AND state = %s LIMIT %s) AS waiting",
        [tenant, QUEUED, most + 1],
    )
    row = await cursor.fetchone()
    return row is not None and row["found"] > most


async def find(connection: Connection, job_id: UUID, tenant: str) -> JobRow | None:
    """A tenant's job; one of another tenant is as good as none."""
    query = f"SELECT {_COLUMNS} FROM jobs WHERE job_id = %s AND tenant = %s"  # noqa: S608 - our own column names
    row = await (await connection.execute(query, [job_id, tenant])).fetchone()
    return JobRow(**row) if row else None


async def history(connection: Connection, job_id: UUID) -> list[StateChange]:
    """Every change of a job's state, oldest first."""
    cursor = await connection.execute(
        "SELECT run, state, detail, at FROM job_events WHERE job_id = %s ORDER BY id", [job_id]
    )
    return [StateChange(**row) for row in await cursor.fetchall()]


async def transcript(connection: Connection, job: JobRow) -> Transcript:
    """The transcript of a completed job from its segments."""
    cursor = await connection.execute(
        'SELECT start_s AS start, end_s AS "end", text, speaker, channel, words'
        " FROM segments WHERE job_id = %s ORDER BY position",
        [job.job_id],
    )
    return transcript_from_json(
        {
            "language": job.language or "",
            "language_probability": job.language_probability,
            "duration": job.duration or 0.0,
            "segments": await cursor.fetchall(),
            "warnings": job.warnings,
        }
    )


async def queue_depth(connection: Connection) -> int:
    """How many jobs wait for their turn."""
    row = await (await connection.execute("SELECT count(*) AS queued FROM jobs WHERE state = %s", [QUEUED])).fetchone()
    return int(row["queued"]) if row else 0
