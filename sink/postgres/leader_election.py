"""Leader election over a PostgreSQL advisory lock, on a connection of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Self

from sink.postgres.advisory_locks import SingleLock
from sink.postgres.database import Connection, Database


class LeaderSession:
    """Leadership and the subscription to `channel`, which end together when the connection is lost.

    An error of the connection leaves `open` as Outage.
    """

    channel: ClassVar[str]
    leader_lock: ClassVar[SingleLock]
    """Whoever holds it leads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database) -> AsyncIterator[Self]:
        """Connect and listen."""
        async with database.session() as connection:
            await connection.execute(f"LISTEN {cls.channel}")
            yield cls(connection)

    async def lead(self) -> bool:
        """Whether this session leads now; the lock stays until the session ends."""
        cursor = await self._connection.execute("SELECT pg_try_advisory_lock(%s) AS leads", [self.leader_lock])
        row = await cursor.fetchone()
        return bool(row and row["leads"])
