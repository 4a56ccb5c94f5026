"""Lease worker over PostgreSQL: leases due rows, runs them concurrently, extends leases until each row is done.

A dead process loses its leases within seconds, and another one repeats its unfinished work.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from schemas import metrics
from schemas.errors import Outage
from schemas.process.failpoints import failpoint
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import ClosedGate, Waiting, WaitReport
from schemas.retries.schedules import OUTAGES
from sink.postgres.database import Connection, Database
from sink.process.cancellation import cancel_until_done, set_within, until_stopped
from sink.webhooks.deliveries import LEASE_SECONDS

log = logging.getLogger(__name__)
GROUP = "dispatch"  # what metrics and reports call those who lease


class LeaseJob(Protocol):
    """A leased row, which only this process may work on until the lease runs out."""

    @property
    def lease_token(self) -> UUID:
        """Token that is new for every lease."""


J = TypeVar("J", bound=LeaseJob)


class LeasedWork(Protocol[J]):
    """One kind of rows: its leases and its processing."""

    channel: str
    """The NOTIFY channel on which new rows are announced."""

    async def lease(self, connection: Connection, free: int, own: Sequence[UUID]) -> Sequence[J]:
        """Lease at most `free` due jobs; `own` are the leases that this process holds."""

    async def extend(self, connection: Connection, own: Sequence[UUID]) -> None:
        """Extend the leases of jobs in progress."""

    async def sweep(self, connection: Connection) -> None:
        """Periodic work: ending rows that can never become due, counting."""

    async def do(self, job: J) -> None:
        """Work on one job and record its end; an exception is logged, and the lease runs out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTiming:
    """Concurrency and polling intervals of a lease worker; times in seconds."""

    concurrency: int = 64
    drain_seconds: float = 25  # how long jobs in work and their outcomes are waited for at the end
    lease_seconds: float = LEASE_SECONDS
    poll_seconds: float = 1
    sweep_seconds: float = 30
    pause_seconds: float = OUTAGES.first  # after an outage


class Leaser(Generic[J]):
    """Does one kind of work until it is stopped."""

    def __init__(
        self,
        database: Database,
        work: LeasedWork[J],
        timing: LeaseTiming,
        held: Callable[[], tuple[Waiting, ...]] = tuple,
    ) -> None:
        """Create the worker; `held` gives the last count of waiting rows."""
        self._database = database
        self._held = held
        self._work: LeasedWork[J] = work
        self._timing = timing
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self.waiting: str | None = "starting"
        """Why nothing is leased at the moment, None when all is well."""
        self._gate: WaitReason | None = WaitReason.STARTING
        kind = work.channel.removeprefix("scribe_")
        metrics.CALLS.labels(kind=kind, state="running").set_function(lambda: len(self._running))
        metrics.CALLS.labels(kind=kind, state="most").set(timing.concurrency)

    def waits(self) -> WaitReport:
        """The report of waiting work, with reasons."""
        gate = self._gate
        return WaitReport(self._held(), () if gate is None else (ClosedGate(GROUP, gate),))

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then let the work in progress end."""
        drained = asyncio.Event()
        helpers = [
            asyncio.create_task(self._every(self._timing.lease_seconds / 3, self._extend, drained)),
            asyncio.create_task(self._every(self._timing.sweep_seconds, self._work.sweep, drained)),
            asyncio.create_task(self._listen(drained)),
            asyncio.create_task(self._wake_at(stop)),
        ]
        try:
            while not stop.is_set():
                await self._turn()
            await self._drain()
        finally:
            drained.set()
            await cancel_until_done(*helpers, *self._running.values())

    async def _drain(self) -> None:
        if not self._running:
            return
        log.info("draining %d calls", len(self._running))
        _, unfinished = await asyncio.wait(self._running.values(), timeout=self._timing.drain_seconds)
        if unfinished:
            log.warning("%d are left without an outcome and will be done again", len(unfinished))

    async def _turn(self) -> None:
        """Lease due rows, start them, and wait for a reason to look again."""
        self._wake.clear()
        free = self._timing.concurrency - len(self._running)
        leased = await self._leased(free) if free else ()
        for job in leased:
            self._start(job)
        if len(leased) < free or not free:
            await set_within(self._wake, self._timing.poll_seconds)

    async def _leased(self, free: int) -> Sequence[J]:
        try:
            async with self._database.transaction() as connection:
                found = await self._work.lease(connection, free, list(self._running))
        except Outage as error:
            log.warning("waiting: %s", error)
            return await self._nothing(str(error))
        except Exception:  # a row that cannot be leased must not end the process again and again
            log.exception("leasing failed and is tried again")
            return await self._nothing("leasing fails: see the log")
        self.waiting = self._gate = None
        if found:
            failpoint("dispatch.after_lease")
        return found

    async def _nothing(self, why: str) -> Sequence[J]:
        self.waiting, self._gate = why, WaitReason.OUTAGE
        await asyncio.sleep(self._timing.pause_seconds)
        return ()

    def _start(self, job: J) -> None:
        task = asyncio.create_task(self._done(job))
        self._running[job.lease_token] = task
        task.add_done_callback(lambda _: self._ended(job))

    def _ended(self, job: J) -> None:
        self._running.pop(job.lease_token, None)
        self._wake.set()

    async def _done(self, job: J) -> None:
        try:
            await self._work.do(job)
        except Exception:  # its lease runs out and it is done again; the others go on
            log.exception("lease %s broke off", job.lease_token)

    async def _extend(self, connection: Connection) -> None:
        if self._running:
            await self._work.extend(connection, list(self._running))

    async def _every(
        self, seconds: float, work: Callable[[Connection], Awaitable[None]], drained: asyncio.Event
    ) -> None:
        while not await set_within(drained, seconds):
            try:
                async with self._database.transaction() as connection:
                    await work(connection)
            except Outage as error:
                log.warning("waiting: %s", error)
            except Exception:  # without it leases run out under jobs that are still worked on
                log.exception("%s failed and is tried again", work.__name__)

    async def _listen(self, drained: asyncio.Event) -> None:
        """Wake up as soon as a row is announced; polling is the fallback."""
        while not drained.is_set():
            try:
                await until_stopped(drained, self._wake_by_notice())
            except Outage as error:
                log.warning("waiting: %s", error)
            except Exception:  # polling goes on meanwhile
                log.exception("listening broke off and is begun again")
            await set_within(drained, self._timing.pause_seconds)

    async def _wake_by_notice(self) -> None:
        async with self._database.session() as connection:
            await connection.execute(f"LISTEN {self._work.channel}")
            async for _ in connection.notifies():
                self._wake.set()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()
