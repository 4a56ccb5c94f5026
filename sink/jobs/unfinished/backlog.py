"""The jobs that have not ended, and those that completed last: what the end of a job is estimated from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, tuple_row

from schemas.events import Priority
from schemas.vocabulary.job_states import RUNNING, JobState
from sink.jobs.queries import JobRow
from sink.postgres.database import Connection

MOST_QUEUED = 20_000  # of all tenants, the same number of each; of those behind them only how many there are
LEAST_QUEUED = 10  # of a tenant, however many tenants there are
MOST_RUNNING = 10_000
LATEST = 200  # completed jobs, of the last hour
_SUFFIX = re.compile(r"\.([0-9A-Za-z]{1,5})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingJob:
    """A job that has not ended, with what is known of its work; seconds of audio, `model` is '' for the default one.

    `suffix` is that of the recording's name, such as 'wav', '' where it has none. `done_seconds` are those of its present
    stage, which is its state; `started_at` is when the first one began.
    """

    job_id: UUID
    tenant: str
    express: bool
    state: str
    requested_at: datetime
    model: str
    diarize: bool
    suffix: str
    size_bytes: int | None
    total_seconds: float | None = None
    done_seconds: float | None = None
    started_at: datetime | None = None

    @property
    def running(self) -> bool:
        """Whether a worker has it."""
        return self.state != JobState.QUEUED

    @classmethod
    def of_row(cls, job: JobRow) -> "PendingJob":
        """The job of a row that is not ended."""
        progress = {"total_seconds": job.total_seconds, "done_seconds": job.done_seconds}
        return cls.of_request(job.job_id, job.tenant, job.request, job.requested_at, job.state, **progress)

    @classmethod
    def of_request(
        cls,
        job_id: UUID,
        tenant: str,
        request: Mapping[str, Any],
        requested_at: datetime,
        state: str = JobState.QUEUED.value,
        **progress: float | None,
    ) -> "PendingJob":
        """The job of a request (JobRequested as JSON)."""
        source, options = request["source"], request["options"]
        suffix = _SUFFIX.search(source.get("name") or source["uri"])
        return cls(
            job_id=job_id,
            tenant=tenant,
            express=request["priority"] == Priority.EXPRESS.value,
            state=state,
            requested_at=requested_at,
            model=options.get("model") or "",
            diarize=bool(options.get("diarize", True)),
            suffix=suffix[1].lower() if suffix else "",
            size_bytes=source.get("size_bytes"),
            total_seconds=progress.get("total_seconds"),
            done_seconds=progress.get("done_seconds"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedJob:
    """A job that completed: what its work was, in seconds of audio, its three times, and the seconds of its stages."""

    model: str
    diarize: bool
    suffix: str
    size_bytes: int | None
    audio: float
    requested_at: datetime
    started_at: datetime
    completed_at: datetime
    transcribe_seconds: float
    diarize_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """The work at `now`: the first queued jobs of each tenant in their order, all running and the latest completed ones.

    `queued_jobs` are all that wait, by tenant and whether they are express.
    """

    now: datetime
    queued: tuple[PendingJob, ...]
    running: tuple[PendingJob, ...]
    completed: tuple[CompletedJob, ...]
    queued_jobs: Mapping[tuple[str, bool], int]


_OPTIONS = """
    coalesce(j.request -> 'options' ->> 'model', '') AS model,
    coalesce((j.request -> 'options' ->> 'diarize')::boolean, true) AS diarize,
    coalesce(lower(substring(coalesce(j.request -> 'source' ->> 'name', j.request -> 'source' ->> 'uri')
        FROM %(suffix)s)), '') AS suffix,
    (j.request -> 'source' ->> 'size_bytes')::bigint AS size_bytes"""
_JOB = f"""
    j.job_id, j.tenant, j.request ->> 'priority' = 'express' AS express, j.state, j.requested_at, {_OPTIONS},
    j.total_seconds, j.done_seconds"""
_COUNT = """
SELECT tenant, request ->> 'priority' = 'express' AS express, count(*) AS jobs FROM jobs WHERE state = 'queued' GROUP BY 1, 2"""
# by the index of each tenant's jobs in a state
_QUEUED = f"""
SELECT {_JOB} FROM unnest(%(tenants)s::text[]) AS asked (tenant) CROSS JOIN LATERAL (
    SELECT * FROM jobs WHERE jobs.tenant = asked.tenant AND jobs.state = 'queued'
    ORDER BY jobs.requested_at, jobs.job_id LIMIT %(most)s
) AS j ORDER BY j.requested_at, j.job_id"""  # noqa: S608 - our own words
_STARTED = f"""
CROSS JOIN LATERAL (
    SELECT min(e.at) AS started_at FROM job_events e WHERE e.job_id = j.job_id AND e.run = j.run AND e.state = '{JobState.TRANSCRIBING}'
) AS begun"""  # noqa: S608 - our own words
_RUNNING = f"""
SELECT {_JOB}, begun.started_at FROM jobs j {_STARTED}
WHERE j.state IN ({", ".join(f"'{state}'" for state in RUNNING)}) LIMIT %(most)s"""  # noqa: S608 - our own words
_COMPLETED = f"""
SELECT {_OPTIONS}, j.duration AS audio, j.requested_at, begun.started_at, j.completed_at,
    coalesce((j.timings ->> 'transcribe')::float8, 0) AS transcribe_seconds,
    coalesce((j.timings ->> 'diarize')::float8, 0) AS diarize_seconds
FROM jobs j {_STARTED}
WHERE j.state = 'completed' AND j.completed_at > now() - interval '1 hour' AND j.duration > 0
    AND begun.started_at < j.completed_at
ORDER BY j.completed_at DESC LIMIT %(latest)s"""  # noqa: S608 - our own words


async def read_backlog(connection: Connection) -> Backlog:
    """The backlog of all tenants; the connection is the owner's."""
    suffix = _SUFFIX.pattern
    async with connection.cursor(row_factory=tuple_row) as cursor:
        counted = await (await cursor.execute(_COUNT)).fetchall()
        tenants = sorted({tenant for tenant, _, _ in counted})
        most = max(LEAST_QUEUED, MOST_QUEUED // max(1, len(tenants)))
        now = (await (await cursor.execute("SELECT clock_timestamp()")).fetchall())[0][0]
    async with connection.cursor(row_factory=class_row(PendingJob)) as jobs:
        queued = await (await jobs.execute(_QUEUED, {"tenants": tenants, "most": most, "suffix": suffix})).fetchall()
        running = await (await jobs.execute(_RUNNING, {"most": MOST_RUNNING, "suffix": suffix})).fetchall()
    async with connection.cursor(row_factory=class_row(CompletedJob)) as ended:
        completed = await (await ended.execute(_COMPLETED, {"latest": LATEST, "suffix": suffix})).fetchall()
    return Backlog(
        now=now,
        queued=tuple(queued),
        running=tuple(running),
        completed=tuple(completed),
        queued_jobs={(tenant, express): jobs for tenant, express, jobs in counted},
    )
