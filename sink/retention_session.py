"""The connection of the process that deletes what is over: leadership, holds respected, erasures announced."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sink.erasure import CHANNEL
from sink.holds import respected
from sink.postgres import Connection, Database

_LEADER_LOCK = 0x5C12BE_5EE9  # any constant of its own; whoever holds it deletes


class RetentionSession:
    """Leadership ends with the connection; its errors leave `open` as Outage."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database) -> AsyncIterator["RetentionSession"]:
        """Connect and listen for erasures."""
        async with database.session() as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            yield cls(connection)

    async def lead(self) -> bool:
        """Whether this session is the one that deletes; the lock stays until the session ends."""
        cursor = await self._connection.execute("SELECT pg_try_advisory_lock(%s) AS leads", [_LEADER_LOCK])
        row = await cursor.fetchone()
        return bool(row and row["leads"])

    def respected(self) -> AbstractAsyncContextManager[None]:
        """No hold is set while this is entered."""
        return respected(self._connection)

    async def announced(self, seconds: float) -> bool:
        """Wait for an erasure; False when none was announced within so many seconds."""
        notes = [note async for note in self._connection.notifies(timeout=seconds, stop_after=1)]
        return bool(notes)
