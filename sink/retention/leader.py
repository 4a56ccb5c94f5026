"""The connection of the process that deletes what is over: leadership, holds respected, erasures announced."""

from contextlib import AbstractAsyncContextManager

from sink.postgres.advisory_locks import SingleLock
from sink.postgres.leader_election import LeaderSession
from sink.retention.erasure import CHANNEL
from sink.tenants.legal_holds import respected


class RetentionSession(LeaderSession):
    """Its leader is the one that deletes."""

    channel = CHANNEL
    leader_lock = SingleLock.RETENTION

    def respected(self) -> AbstractAsyncContextManager[None]:
        """No hold is set while this is entered."""
        return respected(self._connection)

    async def announced(self, seconds: float) -> bool:
        """Wait for an erasure; False when none was announced within so many seconds."""
        notes = [note async for note in self._connection.notifies(timeout=seconds, stop_after=1)]
        return bool(notes)
