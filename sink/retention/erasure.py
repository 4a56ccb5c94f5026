"""Erasure of jobs: rows at once, objects through the tombstone that names them, and evidence for the requester.

Every function runs the statements of one transaction. A tombstone is written where rows are deleted, so that a crash
leaves no object without a reference, and it stays until no event of the job can be read any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from schemas.errors import Permanent
from schemas.tenants.retention import last_copy_expires_at, next_look, tombstone_until
from sink.postgres.database import Connection
from sink.postgres.job_lock import lock
from sink.tenants.legal_holds import block_new_holds, hold_on

CHANNEL = "scribe_erasures"

# every table that a job's rows lie in, those first that hang on others
_ROWS: Mapping[str, str] = {
    "webhook_attempts": """DELETE FROM webhook_attempts a USING webhook_deliveries d
        WHERE d.delivery_id = a.delivery_id AND d.job_id = ANY(%(ids)s)""",
    "webhook_deliveries": "DELETE FROM webhook_deliveries WHERE job_id = ANY(%(ids)s)",
    "enhancement_answers": """DELETE FROM enhancement_answers a USING enhancement_calls c
        WHERE c.enhancement_id = a.enhancement_id AND c.job_id = ANY(%(ids)s)""",
    "enhancement_calls": "DELETE FROM enhancement_calls WHERE job_id = ANY(%(ids)s)",
    "enhancements": "DELETE FROM enhancements WHERE job_id = ANY(%(ids)s)",
    "outbox": "DELETE FROM outbox WHERE key = ANY(%(keys)s)",
    "applied_events": "DELETE FROM applied_events WHERE job_id = ANY(%(ids)s)",
    "segment_search": "DELETE FROM segment_search WHERE job_id = ANY(%(ids)s)",
    "transcript_revisions": "DELETE FROM transcript_revisions WHERE job_id = ANY(%(ids)s)",
    "segments": "DELETE FROM segments WHERE job_id = ANY(%(ids)s)",
    "job_events": "DELETE FROM job_events WHERE job_id = ANY(%(ids)s)",
    "replayed_records": "DELETE FROM replayed_records WHERE job_id = ANY(%(ids)s)",
    "uploads": """DELETE FROM uploads u USING jobs j
        WHERE j.job_id = ANY(%(ids)s) AND j.tenant = u.tenant AND scribe_upload(j.request) = replace(u.upload_id::text, '-', '')""",
    "legal_holds": "DELETE FROM legal_holds WHERE job_id = ANY(%(ids)s)",
    "jobs": "DELETE FROM jobs WHERE job_id = ANY(%(ids)s)",
}
TABLES = frozenset(_ROWS)
"""The tables that `forget` leaves without rows of the jobs."""

_TOMBSTONES = """
INSERT INTO erased_jobs (job_id, tenant, upload, asked, erased_at, until, next_look_at)
SELECT job_id, tenant, scribe_upload(request), %(asked)s, %(now)s, %(until)s, %(now)s FROM jobs WHERE job_id = ANY(%(ids)s)
ON CONFLICT (job_id) DO UPDATE SET asked = erased_jobs.asked OR EXCLUDED.asked,
    until = greatest(erased_jobs.until, EXCLUDED.until), next_look_at = EXCLUDED.next_look_at"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The evidence of an erasure: `rows` by table and `objects` that were deleted, late ones too.

    `done_at` is None until the objects are gone; after `last_copy_expires_at` no topic holds a record of the job.
    """

    job_id: UUID
    tenant: str
    asked_by: str
    asked_at: datetime
    done_at: datetime | None
    rows: dict[str, int]
    objects: int
    last_copy_expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TombstoneCheck:
    """A tombstone whose objects must be checked for; `upload` only when no other job uses the same recording."""

    job_id: UUID
    tenant: str | None
    upload: str | None
    asked: bool
    erased_at: datetime
    until: datetime
    next_look_at: datetime


_COLUMNS = ", ".join(Erasure.__dataclass_fields__)


async def forget(connection: Connection, job_ids: Sequence[UUID], now: datetime, *, asked: bool) -> dict[str, int]:
    """Delete every row of jobs and leave tombstones; returns numbers of rows by table. The caller holds the locks."""
    ids = list(job_ids)
    values = {
        "ids": ids,
        "keys": [str(job_id).encode() for job_id in ids],
        "asked": asked,
        "now": now,
        "until": tombstone_until(now),
    }
    await connection.execute(_TOMBSTONES, values)
    counts = {table: (await connection.execute(query, values)).rowcount for table, query in _ROWS.items()}
    await connection.execute(f"NOTIFY {CHANNEL}")
    return {table: count for table, count in counts.items() if count}


async def erase(connection: Connection, tenant: str, job_id: UUID, asked_by: str, now: datetime) -> Erasure:
    """Delete a tenant's job on request, running or not; a repeated request returns the first one's evidence.

    Raises Permanent: not_found, held.
    """
    await block_new_holds(connection)
    await lock(connection, job_id)
    erasure = await find_erasure(connection, tenant, job_id)
    # the id may have been used again when its tombstone was gone
    if erasure is not None and not (await connection.execute("SELECT FROM jobs WHERE job_id = %s", [job_id])).rowcount:
        return erasure
    await _check(connection, tenant, job_id)
    await connection.execute("UPDATE erased_jobs SET asked = true, next_look_at = %s WHERE job_id = %s", [now, job_id])
    rows = await forget(connection, [job_id], now, asked=True)
    await connection.execute(
        "INSERT INTO erasures (job_id, tenant, asked_by, asked_at, rows, last_copy_expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (job_id) DO UPDATE SET tenant = EXCLUDED.tenant, asked_by = EXCLUDED.asked_by,"
        " asked_at = EXCLUDED.asked_at, done_at = NULL, rows = EXCLUDED.rows,"
        " last_copy_expires_at = EXCLUDED.last_copy_expires_at",
        [job_id, tenant, asked_by, now, Jsonb(rows), last_copy_expires_at(now)],
    )
    erasure = await find_erasure(connection, tenant, job_id)
    if erasure is None:
        raise AssertionError("unreachable: it was written just now")
    return erasure


async def _check(connection: Connection, tenant: str, job_id: UUID) -> None:
    cursor = await connection.execute(
        "SELECT FROM jobs WHERE job_id = %(job_id)s AND tenant = %(tenant)s"
        " UNION ALL SELECT FROM erased_jobs WHERE job_id = %(job_id)s AND tenant = %(tenant)s",
        {"job_id": job_id, "tenant": tenant},
    )
    if cursor.rowcount == 0:
        raise Permanent("not_found", f"job {job_id}")
    if hold := await hold_on(connection, tenant, job_id):
        what = "the job" if hold.job_id else "all that the tenant has"
        raise Permanent("held", f"{what} is held since {hold.set_at:%Y-%m-%d}")


async def find_erasure(connection: Connection, tenant: str, job_id: UUID) -> Erasure | None:
    """The evidence of a tenant's erasure, None when none was requested."""
    async with connection.cursor(row_factory=class_row(Erasure)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM erasures WHERE job_id = %s AND tenant = %s",  # noqa: S608 - our own column names
            [job_id, tenant],
        )
        return await cursor.fetchone()


async def jobs_of_recording(connection: Connection, tenant: str, recording_id: str) -> tuple[UUID, ...]:
    """Every job of a tenant's recording."""
    cursor = await connection.execute(
        "SELECT job_id FROM jobs WHERE tenant = %s AND recording_id = %s ORDER BY requested_at, job_id",
        [tenant, recording_id],
    )
    return tuple(row["job_id"] for row in await cursor.fetchall())


async def extend_tombstone(connection: Connection, job_id: UUID, now: datetime) -> None:
    """Note an event of an erased job: one more copy exists, and its objects must be checked for."""
    await connection.execute(
        "UPDATE erased_jobs SET next_look_at = %s, until = greatest(until, %s) WHERE job_id = %s",
        [now, tombstone_until(now), job_id],
    )
    await connection.execute(
        "UPDATE erasures SET last_copy_expires_at = greatest(last_copy_expires_at, %s) WHERE job_id = %s",
        [last_copy_expires_at(now), job_id],
    )
    await connection.execute(f"NOTIFY {CHANNEL}")


async def due_rechecks(connection: Connection, now: datetime, limit: int) -> list[TombstoneCheck]:
    """Tombstones that are due for a check, those of requested erasures first."""
    async with connection.cursor(row_factory=class_row(TombstoneCheck)) as cursor:
        await cursor.execute(
            "SELECT job_id, tenant, asked, erased_at, until, next_look_at, CASE WHEN NOT EXISTS ("
            "  SELECT FROM jobs j WHERE j.tenant = t.tenant AND scribe_upload(j.request) = t.upload AND j.audio_gone < j.run"
            " ) THEN upload END AS upload"
            " FROM erased_jobs t WHERE next_look_at <= %s ORDER BY asked DESC, next_look_at LIMIT %s",
            [now, limit],
        )
        return await cursor.fetchall()


async def record_check(connection: Connection, check: TombstoneCheck, objects: int, now: datetime) -> None:
    """Note that nothing named by a tombstone is left; delete it once its time is over. A newer event undoes this."""
    again = next_look(check.erased_at, check.until, now) if check.asked else check.until
    await connection.execute(
        "DELETE FROM erased_jobs WHERE job_id = %(id)s AND next_look_at = %(seen)s AND until <= %(now)s",
        {"id": check.job_id, "seen": check.next_look_at, "now": now},
    )
    await connection.execute(
        "UPDATE erased_jobs SET next_look_at = %s WHERE job_id = %s AND next_look_at = %s",
        [again, check.job_id, check.next_look_at],
    )
    if not check.asked:
        return
    await connection.execute(
        "UPDATE erasures SET objects = objects + %s, done_at = COALESCE(done_at, %s) WHERE job_id = %s",
        [objects, now, check.job_id],
    )


async def pending(connection: Connection) -> tuple[int, float]:
    """The number of requested erasures that are not done, and the age of the oldest in seconds."""
    cursor = await connection.execute(
        "SELECT count(*) AS pending, coalesce(extract(epoch FROM now() - min(asked_at)), 0)::float8 AS oldest"
        " FROM erasures WHERE done_at IS NULL"
    )
    row = await cursor.fetchone()
    return (int(row["pending"]), max(0.0, row["oldest"])) if row else (0, 0.0)
