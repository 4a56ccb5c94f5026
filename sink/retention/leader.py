"""Leader session of the retention process: leadership, legal holds blocked while deleting, announced erasures."""

from contextlib import AbstractAsyncContextManager

from sink.postgres.advisory_locks import SingleLock
from sink.postgres.leader_election import LeaderSession
from sink.retention.erasure import CHANNEL
from sink.tenants.legal_holds import holds_blocked


class RetentionSession(LeaderSession):
    """Session whose leader is the one process that deletes."""

    channel = CHANNEL
    leader_lock = SingleLock.RETENTION

    def holds_blocked(self) -> AbstractAsyncContextManager[None]:
        """Context in which no legal hold can be set."""
        return holds_blocked(self._connection)

    async def announced(self, seconds: float) -> bool:
        """Wait for an announced erasure; False when none came within so many seconds."""
        notes = [note async for note in self._connection.notifies(timeout=seconds, stop_after=1)]
        return bool(notes)
