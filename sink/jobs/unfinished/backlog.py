"""The jobs that have not ended, and those that completed last: what the end of a job is estimated from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from schemas.events import Priority
from schemas.vocabulary.job_states import JobState
from sink.jobs.queries import JobRow
from sink.jobs.states import UNFINISHED_STATES
from sink.postgres.database import Connection

MOST_PENDING = 10_000  # the first ones; of those behind them nobody can say when they end
LATEST = 200  # completed jobs, of the last hour
_SUFFIX = re.compile(r"\.([0-9A-Za-z]{1,5})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingJob:
    """A job that has not ended, with what is known of its work; seconds of audio, `model` is '' for the default one.

    `suffix` is that of the recording's name, such as 'wav', '' where it has none.
    """

    job_id: UUID
    tenant: str
    express: bool
    running: bool
    requested_at: datetime
    model: str
    suffix: str
    size_bytes: int | None
    total_seconds: float | None = None
    done_seconds: float | None = None

    @classmethod
    def of_row(cls, job: JobRow) -> "PendingJob":
        """The job of a row that is not ended."""
        progress = {"total_seconds": job.total_seconds, "done_seconds": job.done_seconds}
        running = job.state != JobState.QUEUED
        return cls.of_request(job.job_id, job.tenant, job.request, job.requested_at, running=running, **progress)

    @classmethod
    def of_request(
        cls,
        job_id: UUID,
        tenant: str,
        request: Mapping[str, Any],
        requested_at: datetime,
        *,
        running: bool = False,
        **progress: float | None,
    ) -> "PendingJob":
        """The job of a request (JobRequested as JSON)."""
        source = request["source"]
        suffix = _SUFFIX.search(source.get("name") or source["uri"])
        return cls(
            job_id=job_id,
            tenant=tenant,
            express=request["priority"] == Priority.EXPRESS.value,
            running=running,
            requested_at=requested_at,
            model=request["options"].get("model") or "",
            suffix=suffix[1].lower() if suffix else "",
            size_bytes=source.get("size_bytes"),
            **progress,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedJob:
    """A job that completed: what its work was, in seconds of audio, and its three times."""

    model: str
    suffix: str
    size_bytes: int | None
    audio: float
    requested_at: datetime
    started_at: datetime
    completed_at: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """The work at `now`: pending jobs in the order of their requests, and the latest completed ones.

    `is_whole` is False when there are more pending ones than are read.
    """

    now: datetime
    pending: tuple[PendingJob, ...]
    completed: tuple[CompletedJob, ...]
    is_whole: bool = True


_FACTS = """
    coalesce(j.request -> 'options' ->> 'model', '') AS model,
    coalesce(lower(substring(coalesce(j.request -> 'source' ->> 'name', j.request -> 'source' ->> 'uri')
        FROM %(suffix)s)), '') AS suffix,
    (j.request -> 'source' ->> 'size_bytes')::bigint AS size_bytes"""
_PENDING = f"""
SELECT j.job_id, j.tenant, j.request ->> 'priority' = 'express' AS express, j.state <> 'queued' AS running, j.requested_at,
    {_FACTS}, j.total_seconds, j.done_seconds
FROM jobs j WHERE j.state IN {UNFINISHED_STATES} ORDER BY j.requested_at, j.job_id LIMIT %(most)s"""  # noqa: S608 - our own words
_COMPLETED = f"""
SELECT {_FACTS}, j.duration AS audio, j.requested_at, begun.at AS started_at, j.completed_at
FROM jobs j CROSS JOIN LATERAL (
    SELECT min(e.at) AS at FROM job_events e WHERE e.job_id = j.job_id AND e.run = j.run AND e.state = '{JobState.TRANSCRIBING}'
) AS begun
WHERE j.state = 'completed' AND j.completed_at > now() - interval '1 hour' AND j.duration > 0 AND begun.at < j.completed_at
ORDER BY j.completed_at DESC LIMIT %(latest)s"""  # noqa: S608 - our own words


async def read_backlog(connection: Connection) -> Backlog:
    """The backlog of all tenants; the connection is the owner's."""
    async with connection.cursor(row_factory=class_row(PendingJob)) as cursor:
        pending = await (
            await cursor.execute(_PENDING, {"most": MOST_PENDING + 1, "suffix": _SUFFIX.pattern})
        ).fetchall()
    async with connection.cursor(row_factory=class_row(CompletedJob)) as cursor:
        completed = await (await cursor.execute(_COMPLETED, {"latest": LATEST, "suffix": _SUFFIX.pattern})).fetchall()
    row = await (await connection.execute("SELECT clock_timestamp() AS now")).fetchone()
    assert row is not None  # noqa: S101 - it has one row
    return Backlog(row["now"], tuple(pending[:MOST_PENDING]), tuple(completed), len(pending) <= MOST_PENDING)
