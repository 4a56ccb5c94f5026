"""Usage of a tenant by day (UTC): jobs, audio, time of workers, bytes of recordings, tokens of the enhanced-AI service.

A job is counted in the transaction that ends its run (`sink.jobs.results`), so once, and each run anew.
"""

from dataclasses import dataclass
from datetime import date

from psycopg.rows import class_row

from sink.postgres.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class DayUsage:
    """The usage of a day; `gpu_seconds` are those of transcription and diarization, whatever they ran on."""

    day: date
    completed: int
    failed: int
    cancelled: int
    audio_seconds: float
    gpu_seconds: float
    bytes: int
    tokens: int


_SUMS = ("completed", "failed", "cancelled", "audio_seconds", "gpu_seconds", "bytes")
_COLUMNS = ", ".join(_SUMS)
_READ = f"""
SELECT day, sum(completed)::bigint AS completed, sum(failed)::bigint AS failed, sum(cancelled)::bigint AS cancelled,
    round(sum(audio_seconds)::numeric, 3)::float8 AS audio_seconds, round(sum(gpu_seconds)::numeric, 3)::float8 AS gpu_seconds,
    sum(bytes)::bigint AS bytes, sum(tokens)::bigint AS tokens
FROM (
    SELECT tenant, day, {_COLUMNS}, 0 AS tokens FROM usage_entries
    UNION ALL SELECT tenant, day, {_COLUMNS}, 0 FROM usage_by_day
    UNION ALL SELECT tenant, day, 0, 0, 0, 0, 0, 0, tokens FROM enhanced_ai_spending
) AS used
WHERE tenant = %(tenant)s AND day BETWEEN %(first)s AND %(last)s GROUP BY day ORDER BY day"""  # noqa: S608 - our own words
_MERGE = f"""
WITH taken AS (
    DELETE FROM usage_entries WHERE id IN (SELECT id FROM usage_entries ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING *
), sums AS (
    SELECT tenant, day, {", ".join(f"sum({name}) AS {name}" for name in _SUMS)} FROM taken GROUP BY tenant, day
), merged AS (
    INSERT INTO usage_by_day AS known (tenant, day, {_COLUMNS}) SELECT tenant, day, {_COLUMNS} FROM sums ORDER BY tenant, day
    ON CONFLICT (tenant, day) DO UPDATE SET {", ".join(f"{name} = known.{name} + EXCLUDED.{name}" for name in _SUMS)}
)
SELECT count(*) AS entries FROM taken"""  # noqa: S608 - our own words


async def usage_of(connection: Connection, tenant: str, first: date, last: date) -> tuple[DayUsage, ...]:
    """The days from `first` to `last` on which anything was done for a tenant, in their order."""
    async with connection.cursor(row_factory=class_row(DayUsage)) as cursor:
        await cursor.execute(_READ, {"tenant": tenant, "first": first, "last": last})
        return tuple(await cursor.fetchall())


async def merge_usage(connection: Connection, limit: int) -> int:
    """Merge so many entries into their days; returns how many there were."""
    row = await (await connection.execute(_MERGE, {"limit": limit})).fetchone()
    return int(row["entries"]) if row else 0
