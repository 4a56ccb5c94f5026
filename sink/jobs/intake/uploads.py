"""Uploads on their way: what has come of each, and who writes it.

Every function runs the statements of one transaction, as the tenant. A writer is fenced by its number: whoever begins later
takes the upload from it, since a client goes on elsewhere before the old connection is found to be dead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from psycopg.rows import class_row

from sink.postgres.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRow:
    """An upload; `received_bytes` of `size_bytes` are in the parts and in the tail, the begin of the next part."""

    upload_id: UUID
    tenant: str
    name: str | None
    metadata: str | None
    size_bytes: int
    is_presigned: bool
    received_bytes: int
    parts_id: str | None
    part_numbers: list[int]
    part_tags: list[str]
    next_number: int
    tail_number: int | None
    tail_bytes: int
    writer: int
    created_at: datetime
    expires_at: datetime
    completed_at: datetime | None
    is_expired: bool

    @property
    def is_received(self) -> bool:
        """Whether all of it has come, as far as is known here."""
        return self.completed_at is not None or self.received_bytes == self.size_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """An upload that is announced."""

    upload_id: UUID
    tenant: str
    name: str | None
    metadata: str | None
    size_bytes: int
    is_presigned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Additions of a writer: parts, and the first bytes of the one that follows, in an object of its number."""

    numbers: Sequence[int]
    tags: Sequence[str]
    received_bytes: int
    next_number: int
    tail_bytes: int
    is_end: bool


_COLUMNS = ", ".join(
    "expires_at <= now() AS is_expired" if name == "is_expired" else name for name in UploadRow.__dataclass_fields__
)
_INSERT = f"""
INSERT INTO uploads (upload_id, tenant, name, metadata, size_bytes, is_presigned, expires_at)
SELECT %(upload_id)s, %(tenant)s, %(name)s, %(metadata)s, %(size_bytes)s, %(is_presigned)s, now() + %(life)s
WHERE (
    SELECT count(*) FROM uploads u WHERE u.tenant = %(tenant)s AND u.expires_at > now() AND (u.completed_at IS NULL
        OR NOT EXISTS (SELECT FROM jobs j WHERE j.tenant = u.tenant AND scribe_upload(j.request) = replace(u.upload_id::text, '-', '')))
) < %(most)s
ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"""  # noqa: S608 - our own column names
# what a writer that did not end may still write has a number that is never used again
_BEGIN = f"""
UPDATE uploads SET writer = writer + 1, next_number = next_number + is_written::integer, is_written = true
WHERE upload_id = %(upload_id)s AND tenant = %(tenant)s AND received_bytes = %(offset)s AND expires_at > now()
    AND NOT is_presigned RETURNING {_COLUMNS}"""  # noqa: S608 - our own column names
_SAVE = f"""
UPDATE uploads SET received_bytes = %(received_bytes)s, part_numbers = part_numbers || %(numbers)s::integer[],
    part_tags = part_tags || %(tags)s::text[], next_number = %(next_number)s, is_written = NOT %(is_end)s,
    tail_bytes = %(tail_bytes)s, tail_number = CASE WHEN %(tail_bytes)s > 0 THEN %(next_number)s::integer END
WHERE upload_id = %(upload_id)s AND tenant = %(tenant)s AND writer = %(writer)s AND expires_at > now()
RETURNING {_COLUMNS}"""  # noqa: S608 - our own column names


async def create(connection: Connection, upload: NewUpload, life: timedelta, most: int) -> UploadRow | None:
    """Announce an upload that ends after `life`, or find it; None when the tenant has `most` that no job was made of."""
    values = {name: getattr(upload, name) for name in NewUpload.__dataclass_fields__}
    created = await _one(connection, _INSERT, {**values, "life": life, "most": most})
    return created or await find(connection, upload.tenant, upload.upload_id)


async def find(connection: Connection, tenant: str, upload_id: UUID) -> UploadRow | None:
    """A tenant's upload; None for one of another tenant."""
    query = f"SELECT {_COLUMNS} FROM uploads WHERE upload_id = %(upload_id)s AND tenant = %(tenant)s"  # noqa: S608 - our own column names
    return await _one(connection, query, {"upload_id": upload_id, "tenant": tenant})


async def begin_writing(connection: Connection, tenant: str, upload_id: UUID, offset: int) -> UploadRow | None:
    """Become the upload's writer from a byte on; None when it has not come exactly so far, or can be written no more."""
    return await _one(connection, _BEGIN, {"upload_id": upload_id, "tenant": tenant, "offset": offset})


async def name_parts(connection: Connection, upload: UploadRow, parts_id: str) -> bool:
    """Note the store's multipart upload of a writer; False when it is the writer no more."""
    cursor = await connection.execute(
        "UPDATE uploads SET parts_id = %s WHERE upload_id = %s AND tenant = %s AND writer = %s AND parts_id IS NULL",
        [parts_id, upload.upload_id, upload.tenant, upload.writer],
    )
    return cursor.rowcount == 1


async def reserve(connection: Connection, upload: UploadRow, next_number: int) -> bool:
    """Keep numbers of parts from others that are not noted yet; False when the upload's writer is it no more."""
    cursor = await connection.execute(
        "UPDATE uploads SET next_number = %s WHERE upload_id = %s AND tenant = %s AND writer = %s",
        [next_number, upload.upload_id, upload.tenant, upload.writer],
    )
    return cursor.rowcount == 1


async def save(connection: Connection, upload: UploadRow, written: Written) -> UploadRow | None:
    """Add what its writer has written; None when that is the writer no more, or the upload has expired."""
    values = {name: getattr(written, name) for name in Written.__dataclass_fields__}
    numbers, tags = list(written.numbers), list(written.tags)
    owner = {"upload_id": upload.upload_id, "tenant": upload.tenant, "writer": upload.writer}
    return await _one(connection, _SAVE, {**values, **owner, "numbers": numbers, "tags": tags})


async def complete(connection: Connection, upload: UploadRow) -> bool:
    """Note that the object is whole; False when the upload was deleted meanwhile."""
    cursor = await connection.execute(
        "UPDATE uploads SET completed_at = coalesce(completed_at, now()), received_bytes = size_bytes, tail_bytes = 0,"
        " tail_number = NULL WHERE upload_id = %s AND tenant = %s",
        [upload.upload_id, upload.tenant],
    )
    return cursor.rowcount == 1


async def delete(connection: Connection, tenant: str, upload_id: UUID) -> UploadRow | None:
    """Delete a tenant's upload and return what it was; None if there is none."""
    query = f"DELETE FROM uploads WHERE upload_id = %(upload_id)s AND tenant = %(tenant)s RETURNING {_COLUMNS}"  # noqa: S608 - our own column names
    return await _one(connection, query, {"upload_id": upload_id, "tenant": tenant})


async def is_used(connection: Connection, tenant: str, upload_id: UUID) -> bool:
    """Whether a job of the tenant has the upload as its recording."""
    cursor = await connection.execute(
        "SELECT FROM jobs WHERE tenant = %s AND scribe_upload(request) = %s LIMIT 1", [tenant, upload_id.hex]
    )
    return cursor.rowcount == 1


async def _one(connection: Connection, query: str, values: dict[str, object]) -> UploadRow | None:
    async with connection.cursor(row_factory=class_row(UploadRow)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchone()
