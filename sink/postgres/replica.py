"""Reads for tenants from a replica where that is safe: at most a few seconds old, and the primary as a fallback.

A replica is used only when it has replayed everything that the primary had written a few seconds ago, so a lagging or
disconnected one does not keep showing data that were erased since. The primary answers whatever the replica cannot.
"""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from pydantic import SecretStr

from schemas import metrics
from schemas.errors import Outage
from sink.postgres.database import READ_DSN, Connection, Database

T = TypeVar("T")
log = logging.getLogger(__name__)
MAX_AGE_SECONDS = 10.0
REST_SECONDS = 5.0
CONNECT_SECONDS = 1.0

# of inserted and not of written log: without synchronous_commit rows are visible before they are written there
_POSITION = "SELECT pg_current_wal_insert_lsn()::text AS position"
# a server that is not in recovery is a primary: the one of a failover, or a proxy that found no replica
_HAS = "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= %s::pg_lsn AS has"


class ReplicaLagging(Outage):
    """The replica has not yet replayed up to the required position."""


class LsnTracker:
    """Tracks log positions of the primary with their times, and gives the one that a replica must have. Pure."""

    def __init__(self, max_age: float = MAX_AGE_SECONDS) -> None:
        self._max_age = max_age
        self._seen: list[tuple[float, str]] = []

    def due(self, now: float) -> bool:
        """Whether the primary's position must be queried again."""
        return not self._seen or now - self._seen[-1][0] >= self._max_age / 2

    def note(self, now: float, position: str) -> None:
        """Record that the primary was at `position`."""
        self._seen = [seen for seen in self._seen if now - seen[0] < self._max_age] + [(now, position)]

    def required(self, now: float) -> str | None:
        """The oldest position that keeps answers younger than `max_age`; the last known one when there is none."""
        young = [position for at, position in self._seen if now - at < self._max_age]
        return young[0] if young else self._seen[-1][1] if self._seen else None


class ReplicaRouter:
    """Routes tenants' reads of data that no longer change to the replica, otherwise to the primary."""

    def __init__(
        self, primary: Database, replica: Database | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._primary = primary
        self._replica = replica
        self._now = now
        self._horizon = LsnTracker()
        self._rests_until = 0.0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, primary: Database, dsn: SecretStr | None, size: int, *, prepare: bool = False
    ) -> AsyncIterator["ReplicaRouter"]:
        """Open up to `size` connections to the replica of `dsn`, which need not answer yet; None: the primary alone."""
        if dsn is None:
            yield cls(primary)
            return
        secret = dsn.get_secret_value()
        async with Database.pooled(
            secret, size, timeout=CONNECT_SECONDS, prepare=prepare, variable=READ_DSN
        ) as replica:
            yield cls(primary, replica)

    async def run(
        self, tenant: str, work: Callable[[Connection], Awaitable[T]], settled: Callable[[T], bool] = lambda _: True
    ) -> T:
        """The result of `work` in a tenant's transaction; from the primary if the replica's is not `settled`.

        `work` may run twice, so it only reads. Raises Outage when the primary is needed and away.
        """
        if self._replica is not None and self._now() >= self._rests_until:
            try:
                found = await self._from_replica(self._replica, tenant, work)
            except ReplicaLagging as error:
                log.info("read from the primary: %s", error)
                metrics.REPLICA_PASSED_OVER.labels("behind").inc()
            except Outage as error:
                self._rests_until = self._now() + REST_SECONDS
                metrics.REPLICA_PASSED_OVER.labels("away").inc()
                log.warning("the replica is not asked for %g s: %s", REST_SECONDS, error)
            else:
                if settled(found):
                    metrics.DB_READS.labels("replica").inc()
                    return found
        async with self._primary.as_tenant(tenant) as connection:
            found = await work(connection)
        metrics.DB_READS.labels("primary").inc()
        return found

    async def _from_replica(self, replica: Database, tenant: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        await self._look()
        async with replica.as_tenant(tenant) as connection:
            row = await (await connection.execute(_HAS, [self._horizon.required(self._now())])).fetchone()
            if row is None or not row["has"]:
                raise ReplicaLagging("the replica is behind")
            return await work(connection)

    async def _look(self) -> None:
        """Query the position of the primary; while it is away, nothing is written that a replica could lack."""
        if not self._horizon.due(self._now()):
            return
        try:
            async with self._primary.connection() as connection:
                row = await (await connection.execute(_POSITION)).fetchone()
        except Outage as error:
            log.warning("the primary's position is not known: %s", error)
            return
        if row is not None:
            self._horizon.note(self._now(), row["position"])
