"""Events applied to jobs: each function is the statements of one event, inside the caller's transaction.

Topics have no order among each other, so every event but progress creates the row from its request, and every
change is guarded by the job's run and state. Erasing a job takes `lock` too, then writes its tombstone.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from schemas.events import JobError, JobProgress, JobRequested, JobResult, Options, Outcome
from schemas.serde import to_json
from schemas.transcript import Segment, Transcript
from sink.deliveries import release
from sink.job_lock import lock
from sink.postgres import Connection
from sink.storable import storable, storable_text


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
class Kept:
    """A completed job's transcript and where its JSON lies."""

    transcript: Transcript
    uri: str


_BEGIN_RUN = """
INSERT INTO jobs (job_id, tenant, recording_id, run, state, request, requested_at)
SELECT %(job_id)s, %(tenant)s, %(recording_id)s, %(run)s, 'queued', %(request)s, %(requested_at)s
WHERE NOT EXISTS (SELECT FROM erased_jobs WHERE job_id = %(job_id)s)
ON CONFLICT (job_id) DO UPDATE SET
    run = EXCLUDED.run, state = 'queued', request = EXCLUDED.request, requested_at = EXCLUDED.requested_at,
    attempt = 0, sequence = 0, done_seconds = NULL, total_seconds = NULL, language = NULL, language_probability = NULL,
    duration = NULL,
    speakers = '{}', models = '[]', timings = '{}', warnings = '{}', error = NULL, transcript_uri = NULL,
    result_event_id = NULL, completed_at = NULL, updated_at = now()
WHERE jobs.run < EXCLUDED.run AND jobs.tenant = EXCLUDED.tenant
RETURNING job_id"""

_PROGRESS = """
WITH before AS (SELECT state FROM jobs WHERE job_id = %(job_id)s FOR UPDATE)
UPDATE jobs SET
    state = %(stage)s, attempt = %(attempt)s, sequence = %(sequence)s,
    done_seconds = %(done_seconds)s, total_seconds = %(total_seconds)s, updated_at = now()
FROM before
WHERE job_id = %(job_id)s AND tenant = %(tenant)s AND run = %(run)s
    AND (
        array_position(%(stages)s, jobs.state) < array_position(%(stages)s, %(stage)s)
        OR (jobs.state = %(stage)s AND (attempt, sequence) < (%(attempt)s, %(sequence)s))
    )
RETURNING before.state <> jobs.state AS moved"""

_END = """
UPDATE jobs SET
    state = %(state)s, language = %(language)s, language_probability = %(language_probability)s,
    duration = %(duration)s, done_seconds = COALESCE(%(duration)s, done_seconds),
    total_seconds = COALESCE(%(duration)s, total_seconds), speakers = %(speakers)s, models = %(models)s,
    timings = %(timings)s, warnings = %(warnings)s, error = %(error)s, transcript_uri = %(transcript_uri)s,
    result_event_id = %(event_id)s, completed_at = %(completed_at)s, updated_at = now()
WHERE job_id = %(job_id)s AND tenant = %(tenant)s AND run = %(run)s
    AND state IN ('queued', 'transcribing', 'diarizing')
RETURNING job_id"""

_STANDING = """
SELECT
    EXISTS (SELECT FROM erased_jobs WHERE job_id = %(job_id)s) AS erased,
    jobs.tenant, jobs.run, jobs.request, jobs.result_event_id
FROM (SELECT) AS always LEFT JOIN jobs ON jobs.job_id = %(job_id)s"""

_SEGMENT = """
INSERT INTO segments (job_id, position, start_s, end_s, speaker, channel, text, words)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"""

_DEFAULTS = asdict(Options())
_STAGES = ["queued", "transcribing", "diarizing"]


async def apply_request(connection: Connection, request: JobRequested) -> Effect:
    """Create the job, or begin its next run."""
    await lock(connection, request.job_id)
    if await _begin_run(connection, request):
        return Effect.APPLIED
    return await _refusal(connection, request) or Effect.DUPLICATE


async def apply_progress(connection: Connection, progress: JobProgress) -> Effect:
    """Note how far a running job is; a change of its stage goes into the history."""
    values = {**_fields(progress, "job_id", "tenant", "run", "attempt", "sequence"), "stages": _STAGES}
    values |= storable(_fields(progress, "done_seconds", "total_seconds")) | {"stage": str(progress.stage)}
    row = await (await connection.execute(_PROGRESS, values)).fetchone()
    if row is None:
        return _foreign(await _standing(connection, progress.job_id), progress.tenant) or Effect.STALE
    if row["moved"]:
        await _history(connection, progress.job_id, progress.run, str(progress.stage), progress.at)
    return Effect.APPLIED


async def apply_result(
    connection: Connection, result: JobResult, kept: Kept | None, unapplied: JobError | None = None
) -> Effect:
    """End a job; `kept` is its transcript, which must be stored before the row says so.

    With `unapplied` the job fails with that error, whatever the result says.
    """
    await lock(connection, result.job_id)
    await _begin_run(connection, result.request)
    if effect := await result_refusal(connection, result):
        return effect
    told = result if unapplied is None else as_failed(result, unapplied)
    if await (await connection.execute(_END, _end_values(told, kept))).fetchone() is None:
        return Effect.STALE
    await connection.execute("DELETE FROM segments WHERE job_id = %s", [told.job_id])
    if kept is not None:
        await _add_segments(connection, told.job_id, kept.transcript.segments)
    await _history(connection, told.job_id, told.run, str(told.outcome), told.completed_at, _detail(told))
    await _remember(connection, result, unapplied)
    await release(connection, [result.event_id])
    return Effect.APPLIED


async def result_refusal(connection: Connection, result: JobResult) -> Effect | None:
    """Why a result would change nothing, or None when it might."""
    return await _refusal(connection, result.request, result.event_id)


def asked_for(request: JobRequested) -> bytes:
    """A digest of what a job is to be made of: recording and options; two requests under one id differ in it."""
    return _asked(storable(to_json(request.without_query())))


def _asked(request: dict[str, Any]) -> bytes:
    # what stands at its default is left out, so that a new option makes no old request another one
    options = {name: value for name, value in request["options"].items() if value != _DEFAULTS.get(name)}
    what = [request["source"]["uri"], request["recording_id"], options]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).digest()


async def _refusal(connection: Connection, request: JobRequested, event_id: UUID | None = None) -> Effect | None:
    """Why what a request began would change nothing, or None when it might; `event_id` that of its result."""
    row = await _standing(connection, request.job_id)
    if effect := _foreign(row, request.tenant):
        return effect
    if row["run"] != request.run:
        return Effect.STALE if row["run"] > request.run else None
    if _asked(row["request"]) != asked_for(request):
        return Effect.CONFLICTING
    return Effect.DUPLICATE if event_id is not None and row["result_event_id"] == event_id else None


def _foreign(row: DictRow, tenant: str) -> Effect | None:
    if row["erased"]:
        return Effect.ERASED
    if row["run"] is None:
        return Effect.UNKNOWN
    return Effect.FOREIGN if row["tenant"] != tenant else None


async def _standing(connection: Connection, job_id: UUID) -> DictRow:
    row = await (await connection.execute(_STANDING, {"job_id": job_id})).fetchone()
    if row is None:
        raise AssertionError("unreachable: the query always has one row")
    return row


def as_failed(result: JobResult, error: JobError) -> JobResult:
    """The failed end of the same job and run."""
    return replace(result, outcome=Outcome.FAILED, error=error, transcript=None, claim_check=None, speakers=())


async def _remember(connection: Connection, result: JobResult, unapplied: JobError | None) -> None:
    error = None if unapplied is None else Jsonb(storable(asdict(unapplied)))
    await connection.execute(
        "INSERT INTO applied_events (event_id, job_id, asked, error) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [result.event_id, result.job_id, asked_for(result.request), error],
    )


async def _begin_run(connection: Connection, request: JobRequested) -> bool:
    values = _fields(request, "job_id", "tenant", "run", "requested_at")
    values["recording_id"] = None if request.recording_id is None else storable_text(request.recording_id)
    values["request"] = Jsonb(storable(to_json(request.without_query())))
    if await (await connection.execute(_BEGIN_RUN, values)).fetchone() is None:
        return False
    await connection.execute("DELETE FROM segments WHERE job_id = %s", [request.job_id])
    await _history(connection, request.job_id, request.run, "queued", request.requested_at)
    return True


def _end_values(result: JobResult, kept: Kept | None) -> dict[str, Any]:
    transcript = kept.transcript if kept else None
    plain = storable(to_json(replace(result, transcript=None)))
    audio = plain["audio"]
    return {
        **_fields(result, "job_id", "tenant", "run", "event_id", "completed_at"),
        "state": str(result.outcome),
        "language": transcript.language if transcript else None,
        "language_probability": transcript.language_probability if transcript else None,
        "duration": transcript.duration if transcript else audio and audio["duration"],
        "speakers": plain["speakers"],
        "models": Jsonb(plain["models"]),
        "timings": Jsonb({name: seconds for name, seconds in plain["timings"].items() if seconds is not None}),
        "warnings": list(transcript.warnings) if transcript else [],
        "error": Jsonb(plain["error"]) if plain["error"] else None,
        "transcript_uri": kept.uri if kept else None,
    }


def _detail(result: JobResult) -> dict[str, Any]:
    if result.outcome is not Outcome.FAILED or result.error is None:
        return {}
    return {"code": storable_text(result.error.code), "message": storable_text(result.error.message)}


async def _add_segments(connection: Connection, job_id: UUID, segments: tuple[Segment, ...]) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            _SEGMENT, [_segment_row(job_id, position, segment) for position, segment in enumerate(segments)]
        )


def _segment_row(job_id: UUID, position: int, segment: Segment) -> tuple[Any, ...]:
    words = [
        {"start": w.start, "end": w.end, "text": w.text, "probability": w.probability, "speaker": w.speaker}
        for w in segment.words
    ]
    row = (job_id, position, segment.start, segment.end, segment.speaker, segment.channel, segment.text)
    return (*row, Jsonb(words))


async def _history(
    connection: Connection, job_id: UUID, run: int, state: str, at: Any, detail: dict[str, Any] | None = None
) -> None:
    await connection.execute(
        "INSERT INTO job_events (job_id, run, state, detail, at) VALUES (%s, %s, %s, %s, %s)",
        [job_id, run, state, Jsonb(detail or {}), at],
    )


def _fields(event: object, *names: str) -> dict[str, Any]:
    return {name: getattr(event, name) for name in names}
