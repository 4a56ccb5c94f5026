"""Where jobs stand and how their runs begin, for many jobs in one statement each; the callers hold the jobs' locks."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Json

from schemas.events import JobRequested, Options
from schemas.serde import to_json
from sink.postgres import Connection
from sink.storable import storable


class Effect(StrEnum):
    """What an event did to its job."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"  # it was applied before
    STALE = "stale"  # a later run, attempt or end came first
    ERASED = "erased"  # the job was erased and stays so
    FOREIGN = "foreign"  # the id belongs to another tenant's job
    CONFLICTING = "conflicting"  # the id belongs to another request
    UNKNOWN = "unknown"  # progress of a job that is not there yet


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
    duration = NULL,
    speakers = '{}', models = '[]', timings = '{}', warnings = '{}', error = NULL, transcript_uri = NULL,
    result_event_id = NULL, completed_at = NULL, updated_at = now()
WHERE jobs.run < EXCLUDED.run AND jobs.tenant = EXCLUDED.tenant
RETURNING job_id"""

_STANDING = """
SELECT
    asked.job_id, EXISTS (SELECT FROM erased_jobs WHERE erased_jobs.job_id = asked.job_id) AS erased,
    jobs.tenant, jobs.run, jobs.request, jobs.result_event_id
FROM unnest(%s::uuid[]) AS asked (job_id) LEFT JOIN jobs ON jobs.job_id = asked.job_id"""

_HISTORY = """
INSERT INTO job_events (job_id, run, state, detail, at)
SELECT job_id, run, state, detail, at FROM json_to_recordset(%s) AS new
    (job_id uuid, run integer, state text, detail jsonb, at timestamptz)"""

_DEFAULTS = asdict(Options())


async def begin_runs(connection: Connection, requests: Sequence[JobRequested]) -> set[UUID]:
    """Create each job, or begin its next run; the ids of the jobs for which that was possible.

    Each request is of another job.
    """
    rows = [_row(request) for request in sorted(requests, key=lambda request: request.job_id)]
    begun = {row["job_id"] for row in await (await connection.execute(_BEGIN, [Json(rows)])).fetchall()}
    if begun:
        await connection.execute("DELETE FROM segments WHERE job_id = ANY(%s)", [list(begun)])
        fresh = (r for r in requests if r.job_id in begun)
        await note(connection, [Change(r.job_id, r.run, "queued", r.requested_at.isoformat(), {}) for r in fresh])
    return begun


async def standings(connection: Connection, job_ids: Sequence[UUID]) -> dict[UUID, DictRow]:
    """What is known of each job: erased, tenant, run, request, result_event_id."""
    rows = await (await connection.execute(_STANDING, [list(job_ids)])).fetchall()
    return {row["job_id"]: row for row in rows}


async def note(connection: Connection, changes: Sequence[Change]) -> None:
    """Write changes of state into the history."""
    rows = [{**asdict(change), "job_id": str(change.job_id)} for change in changes]
    await connection.execute(_HISTORY, [Json(rows)])


def refusal(standing: Mapping[str, Any], request: JobRequested, event_id: UUID | None = None) -> Effect | None:
    """Why what a request began would change nothing, or None when it might; `event_id` that of its result."""
    if effect := foreign(standing, request.tenant):
        return effect
    if standing["run"] != request.run:
        return Effect.STALE if standing["run"] > request.run else None
    if _asked(standing["request"]) != asked_for(request):
        return Effect.CONFLICTING
    return Effect.DUPLICATE if event_id is not None and standing["result_event_id"] == event_id else None


def foreign(standing: Mapping[str, Any], tenant: str) -> Effect | None:
    """Why events of a tenant say nothing about a job, or None when they may."""
    if standing["erased"]:
        return Effect.ERASED
    if standing["run"] is None:
        return Effect.UNKNOWN
    return Effect.FOREIGN if standing["tenant"] != tenant else None


def asked_for(request: JobRequested) -> bytes:
    """A digest of what a job is to be made of: recording and options; two requests under one id differ in it."""
    return _asked(storable(to_json(request.without_query())))


def _asked(request: dict[str, Any]) -> bytes:
    # what stands at its default is left out, so that a new option makes no old request another one
    options = {name: value for name, value in request["options"].items() if value != _DEFAULTS.get(name)}
    what = [request["source"]["uri"], request["recording_id"], options]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).digest()


def _row(request: JobRequested) -> dict[str, Any]:
    plain = storable(to_json(request.without_query()))
    return {
        "job_id": plain["job_id"],
        "tenant": plain["tenant"],
        "recording_id": plain["recording_id"],
        "run": plain["run"],
        "request": plain,
        "requested_at": plain["requested_at"],
    }
