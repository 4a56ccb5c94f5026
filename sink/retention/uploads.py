"""Uploads whose time is over, used or not: found for the sweep, and forgotten when their objects are gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import class_row

from sink.postgres.database import Connection

# as long as a request may take that found the upload in time: to finish it, and to accept its job
MARGIN_MINUTES = 60

_DUE = f"""
SELECT upload_id, tenant, parts_id, EXISTS (
    SELECT FROM jobs j WHERE j.tenant = u.tenant AND scribe_upload(j.request) = replace(u.upload_id::text, '-', '')
) OR EXISTS (
    SELECT FROM erased_jobs e WHERE e.tenant = u.tenant AND e.upload = replace(u.upload_id::text, '-', '')
) AS is_used
FROM uploads u WHERE expires_at < now() - interval '{MARGIN_MINUTES} minutes'
    AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.tenant = u.tenant AND h.job_id IS NULL)
ORDER BY expires_at LIMIT %s"""  # noqa: S608 - our own number


@dataclass(frozen=True, slots=True)
class ExpiredUpload:
    """An upload whose time is over; `is_used`: its object belongs to a job, or to the tombstone of one."""

    upload_id: UUID
    tenant: str
    parts_id: str | None
    is_used: bool


async def find_expired_uploads(connection: Connection, limit: int) -> list[ExpiredUpload]:
    """Uploads whose time is over, but for those of tenants that are held as a whole."""
    async with connection.cursor(row_factory=class_row(ExpiredUpload)) as cursor:
        await cursor.execute(_DUE, [limit])
        return await cursor.fetchall()


async def forget_uploads(connection: Connection, upload_ids: Sequence[UUID]) -> int:
    """Delete the rows of uploads; returns their number."""
    return (await connection.execute("DELETE FROM uploads WHERE upload_id = ANY(%s)", [list(upload_ids)])).rowcount
