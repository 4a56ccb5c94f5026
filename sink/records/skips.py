"""Skip orders: records that a consumer group must skip by an operator's order, and the author of each order."""

from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg.rows import class_row

from schemas.wire.headers import Origin
from sink.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class Skip:
    """A skip order; `done_at` is None until the record was set aside."""

    by: str
    at: datetime
    done_at: datetime | None


_FIND = """
SELECT by, at, done_at FROM skipped_records
WHERE (group_id, topic, partition, record_offset) = (%(group_id)s, %(topic)s, %(partition)s, %(offset)s)"""
_ORDER = """
INSERT INTO skipped_records (group_id, topic, partition, record_offset, by)
VALUES (%(group_id)s, %(topic)s, %(partition)s, %(offset)s, %(by)s)
ON CONFLICT (group_id, topic, partition, record_offset) DO UPDATE SET by = EXCLUDED.by, at = now(), done_at = NULL"""
_DONE = """
UPDATE skipped_records SET done_at = now()
WHERE (group_id, topic, partition, record_offset) = (%(group_id)s, %(topic)s, %(partition)s, %(offset)s)"""


async def find(connection: Connection, group: str, place: Origin) -> Skip | None:
    """The skip order for a record."""
    async with connection.cursor(row_factory=class_row(Skip)) as cursor:
        await cursor.execute(_FIND, {"group_id": group, **asdict(place)})
        return await cursor.fetchone()


async def order(connection: Connection, group: str, place: Origin, requested_by: str) -> None:
    """Order a group to skip a record."""
    await connection.execute(_ORDER, {"group_id": group, **asdict(place), "by": requested_by})


async def done(connection: Connection, group: str, place: Origin) -> None:
    """Note that the record was set aside."""
    await connection.execute(_DONE, {"group_id": group, **asdict(place)})
