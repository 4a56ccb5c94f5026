"""Revisions of transcripts: written one after the other under the lock of their job, and read with what they change."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from schemas.errors import Rejected
from schemas.requests.revisions.changes import MAX_REVISIONS, MAX_REVISIONS_BYTES, TranscriptChanges
from sink.jobs.queries import JobRow, find
from sink.postgres.database import Connection, Database
from sink.postgres.job_lock import lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The changes that somebody made with a key to the transcript of one run of a job."""

    number: int
    run: int
    key_id: str
    changes: TranscriptChanges
    at: datetime


_LARGEST = 2**31 - 1  # of the numbers that the column holds
_COLUMNS = ", ".join(Revision.__dataclass_fields__)


async def find_locked(connection: Connection, job_id: UUID, tenant: str) -> JobRow | None:
    """A tenant's job, of which nobody else decides until the transaction ends; None for a job of another tenant."""
    # a job of another tenant is not locked: its owner would feel it
    if await find(connection, job_id, tenant) is None:
        return None
    await lock(connection, job_id)
    return await find(connection, job_id, tenant)


async def revisions_of(connection: Connection, job: JobRow, last: int = _LARGEST) -> list[Revision]:
    """The revisions of the job's present run up to number `last`, in their order."""
    where = "job_id = %s AND run = %s AND number <= %s ORDER BY number"
    query = f"SELECT {_COLUMNS} FROM transcript_revisions WHERE {where}"  # noqa: S608 - our own column names
    return [_revision(row) for row in await (await connection.execute(query, [job.job_id, job.run, last])).fetchall()]


_LAST = """
SELECT COALESCE(max(r.number), 0) AS number FROM transcript_revisions r JOIN jobs j USING (job_id)
WHERE j.job_id = %(job)s AND j.tenant = %(tenant)s AND r.run = j.run"""


async def last_revision(database: Database, job_id: UUID, tenant: str) -> int:
    """The number of the last revision of a tenant's job in its present run, 0 where there is none."""
    row = await database.call(_LAST, {"job": job_id, "tenant": tenant})
    assert row is not None, "an aggregate has one row"  # noqa: S101 - for the type checker
    return int(row["number"])


async def list_revisions(connection: Connection, job_id: UUID, before: int | None, limit: int) -> list[Revision]:
    """Up to `limit` revisions of all runs of a job, the newest first, from behind a number."""
    query = f"SELECT {_COLUMNS} FROM transcript_revisions WHERE job_id = %(job)s AND number < %(before)s ORDER BY number DESC LIMIT %(limit)s"  # noqa: S608 - our own column names
    values = {"job": job_id, "before": _LARGEST if before is None else before, "limit": limit}
    return [_revision(row) for row in await (await connection.execute(query, values)).fetchall()]


_ADD = """
INSERT INTO transcript_revisions (job_id, number, run, tenant, key_id, changes)
SELECT %(job)s, COALESCE(max(number), 0) + 1, %(run)s, %(tenant)s, %(key)s, %(changes)s
FROM transcript_revisions WHERE job_id = %(job)s
RETURNING """


async def add_revision(connection: Connection, job: JobRow, key_id: str, changes: TranscriptChanges) -> Revision:
    """Write the next revision of a job that the caller has locked.

    Raises Rejected(too_many_revisions), upon which the transaction must not be committed.
    """
    values: dict[str, Any] = {"job": job.job_id, "run": job.run, "tenant": job.tenant, "key": key_id}
    values["changes"] = Jsonb(changes.to_json())
    row = await (await connection.execute((_ADD + _COLUMNS).encode(), values)).fetchone()
    assert row is not None, "an insertion returns its row"  # noqa: S101 - for the type checker
    await _check_size(connection, job)
    return _revision(row)


# their text, not pg_column_size: what is stored is compressed, and read whole
_SIZE = """
SELECT count(*) AS revisions, sum(octet_length(changes::text)) AS bytes FROM transcript_revisions
WHERE job_id = %s AND run = %s"""


async def _check_size(connection: Connection, job: JobRow) -> None:
    size = await (await connection.execute(_SIZE, [job.job_id, job.run])).fetchone()
    assert size is not None, "an aggregate has one row"  # noqa: S101 - for the type checker
    if size["revisions"] > MAX_REVISIONS:
        raise Rejected("too_many_revisions", f"{MAX_REVISIONS} of run {job.run}")
    if size["bytes"] > MAX_REVISIONS_BYTES:
        raise Rejected("too_many_revisions", f"those of run {job.run} would have more than {MAX_REVISIONS_BYTES} bytes")


def _revision(row: DictRow) -> Revision:
    return Revision(**{**row, "changes": TranscriptChanges.from_json(row["changes"])})
