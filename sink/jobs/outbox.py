"""The outbox: records committed together with the rows that they announce, and published later by the one relay."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from psycopg.types.json import Jsonb

from schemas.wire.records import Record
from sink.postgres.advisory_locks import SingleLock
from sink.postgres.database import Connection
from sink.postgres.leader_election import LeaderSession

CHANNEL = "scribe_outbox"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A record that waits to be published."""

    id: int
    record: Record


@dataclass(frozen=True, slots=True)
class OutboxBacklog:
    """The number of waiting rows, and the age of the oldest in seconds."""

    pending: int
    oldest_seconds: float


async def add(connection: Connection, record: Record) -> None:
    """Store a record for the relay; it is published after, and only after, the transaction commits."""
    await connection.execute(
        "INSERT INTO outbox (topic, key, value, headers) VALUES (%s, %s, %s, %s)",
        [record.topic, record.key, record.value, Jsonb(record.headers)],
    )
    # sent by PostgreSQL at the commit; a relay that misses it finds the row at its next look
    await connection.execute(f"NOTIFY {CHANNEL}")


async def backlog(connection: Connection) -> OutboxBacklog:
    """The backlog of the relay."""
    cursor = await connection.execute(
        "SELECT count(*) AS pending, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds"
        " FROM outbox WHERE published_at IS NULL AND failed_at IS NULL"
    )
    row = await cursor.fetchone()
    assert row is not None, "an aggregate has one row"  # noqa: S101 - for the type checker
    return OutboxBacklog(**row)


class OutboxSession(LeaderSession):
    """The relay's own connection: leadership, reading and marking end together when it is lost."""

    channel = CHANNEL
    leader_lock = SingleLock.RELAY

    async def pending(self, limit: int) -> list[OutboxRow]:
        """The oldest rows that are neither published nor failed, in the order of their ids."""
        cursor = await self._connection.execute(
            "SELECT id, topic, key, value, headers FROM outbox"
            " WHERE published_at IS NULL AND failed_at IS NULL ORDER BY id LIMIT %s",
            [limit],
        )
        rows = await cursor.fetchall()
        return [OutboxRow(row["id"], _record(row)) for row in rows]

    async def mark_published(self, rows: Sequence[OutboxRow]) -> None:
        """Mark rows as published."""
        await self._connection.execute(
            "UPDATE outbox SET published_at = now() WHERE id = ANY(%s)", [[row.id for row in rows]]
        )

    async def mark_failed(self, row: OutboxRow, reason: str) -> None:
        """Mark a row that can never be published as failed; it stays for inspection."""
        await self._connection.execute(
            "UPDATE outbox SET failed_at = now(), failed_reason = %s WHERE id = %s", [reason, row.id]
        )

    async def prune(self, older_than: timedelta, limit: int = 10_000) -> int:
        """Delete rows published longer ago than that; returns how many."""
        cursor = await self._connection.execute(
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE published_at < now() - %s LIMIT %s)",
            [older_than, limit],
        )
        return cursor.rowcount

    async def backlog(self) -> OutboxBacklog:
        """The backlog of this relay."""
        return await backlog(self._connection)

    async def wait(self, seconds: float) -> None:
        """Return when a new row was announced, or after so many seconds."""
        async for _ in self._connection.notifies(timeout=seconds, stop_after=1):
            pass


def _record(row: dict[str, object]) -> Record:
    return Record(row["topic"], row["key"], row["value"], row["headers"])  # type: ignore[arg-type]
