"""The retention process: the leader deletes expired data, others stand by; erasures are done on request."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from schemas import metrics
from schemas.errors import Outage
from sink.postgres.database import Database
from sink.process.cancellation import set_within, until_stopped
from sink.retention.leader import RetentionSession
from streams.retention.orphans import Orphans
from streams.retention.stall_watch import StallWatch
from streams.retention.sweep import Sweep

log = logging.getLogger(__name__)
ROLE = "retention"  # what metrics call the one that sweeps


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTiming:
    """Intervals of the retention process in seconds."""

    sweep_seconds: float = 600
    recheck_seconds: float = 30  # for tombstones that are due for a check; what is asked for is announced
    orphans_seconds: float = 86_400
    poll_seconds: float = 1
    pause_seconds: float = 10  # after an outage


class RetentionSweeps:
    """Sweeps while it is the leader."""

    def __init__(
        self,
        database: Database,
        sweep: Sweep,
        orphans: Orphans,
        timing: SweepTiming | None = None,
        stalls: StallWatch | None = None,
    ) -> None:
        self._database = database
        self._sweep = sweep
        self._orphans = orphans
        self._stalls = stalls
        self._timing = timing or SweepTiming()
        self._connected: str | None = "starting"

    @property
    def waiting(self) -> str | None:
        """The reason why expired data may remain, None when there is none."""
        return self._connected or self._sweep.waiting

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; the current batch is completed."""
        while not stop.is_set():
            try:
                async with RetentionSession.open(self._database) as session:
                    self._connected = None
                    if await self._lead(session, stop):
                        with _leading():
                            await self._work(session, stop)
            except Outage as error:
                self._connected = str(error)
                log.warning("waiting: %s", error)
                await set_within(stop, self._timing.pause_seconds)

    async def once(self, stop: asyncio.Event) -> bool:
        """Sweep once; False when a system was away. A sweep by another leading process counts as well."""
        async with RetentionSession.open(self._database) as session:
            self._connected = None
            if not await session.lead():
                log.info("another process sweeps")
                return True
            await self._look_for_stalls()
            complete = await self._sweep.run(session, stop)
            return await self._orphans.run(session, stop) and complete

    async def _lead(self, session: RetentionSession, stop: asyncio.Event) -> bool:
        while not stop.is_set():
            if await session.lead():
                log.info("this process sweeps")
                return True
            await set_within(stop, self._timing.poll_seconds)
        return False

    async def _work(self, session: RetentionSession, stop: asyncio.Event) -> None:
        timing, clock = self._timing, time.monotonic
        sweep_at = recheck_at = orphans_at = clock()
        while not stop.is_set():
            if clock() >= sweep_at:
                await self._look_for_stalls()
                complete = await self._sweep.run(session, stop)
                sweep_at = clock() + (timing.sweep_seconds if complete else timing.pause_seconds)
                recheck_at = clock() + timing.recheck_seconds
            if clock() >= orphans_at and not stop.is_set():
                done = await self._orphans.run(session, stop)
                orphans_at = clock() + (timing.orphans_seconds if done else timing.pause_seconds)
            announced = await until_stopped(stop, session.announced(timing.poll_seconds))
            if not stop.is_set() and (announced or clock() >= recheck_at):
                await self._sweep.recheck(stop)
                recheck_at = clock() + timing.recheck_seconds

    async def _look_for_stalls(self) -> None:
        if self._stalls is not None:
            await self._stalls.look()


@contextmanager
def _leading() -> Iterator[None]:
    """Tell by a metric that this process sweeps while the block runs."""
    metrics.LEADER.labels(ROLE).set(1)
    try:
        yield
    finally:
        metrics.LEADER.labels(ROLE).set(0)
