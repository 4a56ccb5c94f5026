"""Job states and the start of runs, for many jobs in one statement each; the callers hold the jobs' locks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Json

from schemas.errors import Permanent, Poison
from schemas.events import JobRequested
from schemas.requests.identity import request_digest
from schemas.requests.limits import MAX_ID_CHARS, slim_request
from schemas.vocabulary.job_states import ENDED, JobState
from schemas.wire.serde import event_from_json, to_json
from sink.postgres.database import Connection
from sink.postgres.sanitize import sanitize_for_postgres


class Effect(StrEnum):
    """Effects of an event on its job."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"  # it was applied before
    STALE = "stale"  # a later run, attempt or end came first
    ERASED = "erased"  # the job was erased and stays so
    FOREIGN = "foreign"  # the id belongs to another tenant's job
    CONFLICTING = "conflicting"  # the id belongs to another request
    UNKNOWN = "unknown"  # progress of a job that is not there yet


UPLOAD = "upload://"
CONFLICT = "conflict"
"""The line of history that tells of another request under the same id."""


@dataclass(frozen=True, slots=True)
class Change:
    """A job's new state, as a client reads it in the history."""

    job_id: UUID
    run: int
    state: str
    at: str
    detail: dict[str, Any]


# Rows that exist are locked in the order of `rows`, also where nothing is changed.
_BEGIN = """
INSERT INTO jobs (job_id, tenant, recording_id, run, state, request, requested_at)
SELECT job_id, tenant, recording_id, run, 'queued', request, requested_at
FROM json_to_recordset(%s) AS new
    (job_id uuid, tenant text, recording_id text, run integer, request jsonb, requested_at timestamptz)
WHERE NOT EXISTS (SELECT FROM erased_jobs WHERE erased_jobs.job_id = new.job_id)
ON CONFLICT (job_id) DO UPDATE SET
    run = EXCLUDED.run, state = 'queued', request = EXCLUDED.request, requested_at = EXCLUDED.requested_at,
    attempt = 0, sequence = 0, done_seconds = NULL, total_seconds = NULL, language = NULL, language_probability = NULL,
    duration = NULL, speech = NULL, uncovered = NULL,
    speakers = '{}', models = '[]', timings = '{}', warnings = '{}', error = NULL, transcript_uri = NULL,
    result_event_id = NULL, completed_at = NULL, updated_at = now()
WHERE jobs.run < EXCLUDED.run AND jobs.tenant = EXCLUDED.tenant
RETURNING job_id"""

_STANDING = """
SELECT
    asked.job_id, EXISTS (SELECT FROM erased_jobs WHERE erased_jobs.job_id = asked.job_id) AS erased,
    jobs.tenant, jobs.run, jobs.state, jobs.request, jobs.result_event_id, jobs.fingerprint IS NOT NULL AS accepted
FROM unnest(%s::uuid[]) AS asked (job_id) LEFT JOIN jobs ON jobs.job_id = asked.job_id"""

_HISTORY = """
INSERT INTO job_events (job_id, run, state, detail, at)
SELECT job_id, run, state, detail, at FROM json_to_recordset(%s) AS new
    (job_id uuid, run integer, state text, detail jsonb, at timestamptz)"""


async def begin_runs(connection: Connection, requests: Sequence[JobRequested]) -> set[UUID]:
    """Create each job, or begin its next run; returns the ids of the jobs for which that was possible.

    Each request is of another job.
    """
    rows = [row_of(request) for request in sorted(requests, key=lambda request: request.job_id)]
    begun = {row["job_id"] for row in await (await connection.execute(_BEGIN, [Json(rows)])).fetchall()}
    if begun:
        await connection.execute("DELETE FROM segments WHERE job_id = ANY(%s)", [list(begun)])
        fresh = (r for r in requests if r.job_id in begun)
        await append_history(
            connection, [Change(r.job_id, r.run, JobState.QUEUED, r.requested_at.isoformat(), {}) for r in fresh]
        )
    return begun


async def job_versions(connection: Connection, job_ids: Sequence[UUID]) -> dict[UUID, DictRow]:
    """The known facts of each job: erased, tenant, run, state, request, result_event_id, accepted (by REST)."""
    rows = await (await connection.execute(_STANDING, [list(job_ids)])).fetchall()
    return {row["job_id"]: row for row in rows}


async def append_history(connection: Connection, changes: Sequence[Change]) -> None:
    """Write state changes into the history."""
    rows = [{**asdict(change), "job_id": str(change.job_id)} for change in changes]
    await connection.execute(_HISTORY, [Json(rows)])


_CONFLICTS = """
INSERT INTO job_events (job_id, run, state, detail)
SELECT job_id, run, %(state)s, %(detail)s FROM jobs WHERE job_id = ANY(%(ids)s)
    AND NOT EXISTS (SELECT FROM job_events e WHERE e.job_id = jobs.job_id AND e.run = jobs.run AND e.state = %(state)s)"""


async def note_conflicts(connection: Connection, requests: Sequence[JobRequested]) -> None:
    """Note in each job's history, once per run, that a different request used its id."""
    if requests:
        error = Permanent("conflict", "another request came under this job id")
        detail = Json({"code": error.code, "message": error.message})
        ids = [request.job_id for request in requests]
        await connection.execute(_CONFLICTS, {"state": CONFLICT, "detail": detail, "ids": ids})


def rejection(version: Mapping[str, Any], request: JobRequested, event_id: UUID | None = None) -> Effect | None:
    """The reason why an event of a request would change nothing, None when it might; `event_id` is that of its result.

    Of several requests under one id the first result ends the job, whose row shows that request from then on. A job
    that REST accepted is bound to the accepted request: its own result will come, and no other one ends it.
    """
    if effect := wrong_tenant(version, request.tenant):
        return effect
    if version["run"] != request.run:
        return Effect.STALE if version["run"] > request.run else None
    if not is_of(version, request):
        open_to_all = event_id is not None and version["state"] not in ENDED and not version["accepted"]
        return None if open_to_all else Effect.CONFLICTING
    return Effect.DUPLICATE if event_id is not None and version["result_event_id"] == event_id else None


def is_of(version: Mapping[str, Any], request: JobRequested) -> bool:
    """Whether a job belongs to a request; a failed result may carry its request without the free texts."""
    known: dict[str, Any] = version["request"]
    asked = request_digest(stored_request(request))
    return request_digest(known) == asked or _slim_digest(known) == asked


def _slim_digest(known: Mapping[str, Any]) -> bytes | None:
    try:
        return request_digest(stored_request(slim_request(event_from_json(known, JobRequested))))
    except Poison:  # an older version's
        return None


def wrong_tenant(version: Mapping[str, Any], tenant: str) -> Effect | None:
    """The reason why events of a tenant do not apply to a job, None when they do."""
    if version["erased"]:
        return Effect.ERASED
    if version["run"] is None:
        return Effect.UNKNOWN
    return Effect.FOREIGN if version["tenant"] != tenant else None


def stored_request(request: JobRequested) -> dict[str, Any]:
    """A request as the JSON stored in a job's row: without query, and cut to what the database can index."""
    request = request.without_query()
    recording_id = request.recording_id and request.recording_id[:MAX_ID_CHARS]
    source = request.source
    if source.uri.startswith(UPLOAD):
        source = replace(source, uri=source.uri[: len(UPLOAD) + MAX_ID_CHARS])
    plain: dict[str, Any] = sanitize_for_postgres(to_json(replace(request, recording_id=recording_id, source=source)))
    return plain


def row_of(request: JobRequested) -> dict[str, Any]:
    """The columns of a job's row that come from its request, as JSON."""
    plain = stored_request(request)
    return {
        "job_id": plain["job_id"],
        "tenant": plain["tenant"],
        "recording_id": plain["recording_id"],
        "run": plain["run"],
        "request": plain,
        "requested_at": plain["requested_at"],
    }
