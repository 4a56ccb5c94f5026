"""The webhook dispatcher: leases due deliveries, sends them side by side, writes down how each attempt ended.

A process that dies loses its leases within seconds, and another sends what it had begun under the same id.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from schemas import logs, metrics
from schemas.errors import Outage
from sink.deliveries import (
    CHANNEL,
    LEASE_SECONDS,
    Leased,
    State,
    count_gated,
    disable,
    end_spent,
    end_superseded,
    extend,
    finish,
    lease,
)
from sink.postgres import Connection, Database
from sink.storable import storable_text
from sink.webhook_secrets import SecretBox
from streams.attempt import Attempted, Poster, attempt
from streams.schedule import LEASES, after_attempt, retry_after_seconds

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much runs at once, and how often the database is asked; times in seconds."""

    calls: int = 64
    calls_per_endpoint: int = 4
    calls_per_tenant: int = 32  # half of the places, so that one tenant's hanging receivers hold up no other tenant
    call_seconds: float = 20
    drain_seconds: float = 25  # how long calls in flight and their outcomes are waited for at the end
    lease_seconds: float = LEASE_SECONDS
    poll_seconds: float = 1
    sweep_seconds: float = 30
    pause_seconds: float = 1  # after an outage
    time_scale: float = 1


class Dispatcher:
    """Sends webhooks until it is told to stop."""

    def __init__(self, database: Database, client: Poster, secrets: SecretBox, limits: Limits | None = None) -> None:
        self._database = database
        self._client = client
        self._secrets = secrets
        self._limits = limits or Limits()
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self.waiting: str | None = "starting"
        """Why nothing is sent at the moment, None when all is well."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then let the calls in flight end."""
        helpers = [
            asyncio.create_task(self._every(self._limits.lease_seconds / 3, self._extend)),
            asyncio.create_task(self._every(self._limits.sweep_seconds, self._sweep)),
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._wake_at(stop)),
        ]
        try:
            while not stop.is_set():
                await self._turn()
            await self._drain()
        finally:
            for task in (*helpers, *self._running.values()):
                task.cancel()
            await asyncio.gather(*helpers, *self._running.values(), return_exceptions=True)

    async def _drain(self) -> None:
        if not self._running:
            return
        log.info("draining %d calls", len(self._running))
        _, unfinished = await asyncio.wait(self._running.values(), timeout=self._limits.drain_seconds)
        if unfinished:
            log.warning("%d deliveries are left without an outcome and will be sent again", len(unfinished))

    async def _turn(self) -> None:
        """Lease what is due, start it, and wait for a reason to look again."""
        self._wake.clear()
        free = self._limits.calls - len(self._running)
        leased = await self._leased(free) if free else []
        for delivery in leased:
            self._start(delivery)
        if len(leased) < free or not free:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.poll_seconds):
                    await self._wake.wait()

    async def _leased(self, free: int) -> list[Leased]:
        limits = self._limits
        try:
            async with self._database.transaction() as connection:
                found = await lease(
                    connection,
                    free=free,
                    per_endpoint=limits.calls_per_endpoint,
                    per_tenant=limits.calls_per_tenant,
                    attempts=LEASES,
                    own=list(self._running),
                    seconds=limits.lease_seconds,
                )
        except Outage as error:
            log.warning("waiting: %s", error)
            self.waiting = str(error)
            await asyncio.sleep(limits.pause_seconds)
            return []
        self.waiting = None
        return found

    def _start(self, leased: Leased) -> None:
        task = asyncio.create_task(self._deliver(leased))
        self._running[leased.lease_token] = task
        task.add_done_callback(lambda _: self._ended(leased))

    def _ended(self, leased: Leased) -> None:
        self._running.pop(leased.lease_token, None)
        self._wake.set()

    async def _deliver(self, leased: Leased) -> None:
        with logs.bound(job_id=str(leased.job_id), tenant=leased.tenant, attempt=leased.attempt):
            try:
                attempted = await attempt(leased, self._client, self._secrets, self._limits.call_seconds)
                await self._finish(leased, attempted)
            except Exception:  # its lease runs out and it is sent again; the other calls go on
                log.exception("delivery %s broke off", leased.delivery_id)

    async def _finish(self, leased: Leased, attempted: Attempted) -> None:
        """Write down the outcome, waiting for the database as long as it takes."""
        while True:
            try:
                kept = await self._database.run(lambda connection: self._record(connection, leased, attempted))
            except Outage as error:
                log.warning("waiting: %s", error)
                await asyncio.sleep(self._limits.pause_seconds)
                continue
            outcome = attempted.outcome
            metrics.WEBHOOK_ATTEMPTS.labels(outcome=outcome.outcome if kept else "lease_lost").inc()
            log.info("webhook %s: %s %s", leased.delivery_id, outcome.outcome, outcome.status or outcome.error)
            return

    async def _record(self, connection: Connection, leased: Leased, attempted: Attempted) -> bool:
        now = datetime.now(UTC)
        verdict = after_attempt(
            leased.attempt,
            attempted.outcome.status,
            retry_after_seconds(attempted.retry_after, now),
            now,
            spread=random.random(),  # noqa: S311 - spreads load, no secret
            time_scale=self._limits.time_scale,
        )
        outcome = replace(attempted.outcome, answer=storable_text(attempted.outcome.answer or ""))
        kept = await finish(connection, leased, outcome, verdict.state, verdict.next_attempt_at)
        if kept and verdict.state is State.DISABLED:
            await disable(connection, leased.endpoint_id, "the receiver answered 410 Gone")
        return kept

    async def _extend(self, connection: Connection) -> None:
        if self._running:
            await extend(connection, list(self._running), self._limits.lease_seconds)

    async def _sweep(self, connection: Connection) -> None:
        if ended := await end_superseded(connection):
            log.info("%d deliveries ended: their events were superseded", ended)
        if ended := await end_spent(connection, LEASES):
            log.error("%d deliveries ended: they were leased %d times", ended, LEASES)
        metrics.WEBHOOKS_GATED.set(await count_gated(connection))

    async def _every(self, seconds: float, work: Callable[[Connection], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                async with self._database.transaction() as connection:
                    await work(connection)
            except Outage as error:
                log.warning("waiting: %s", error)
            except Exception:  # without it leases run out under calls that still run
                log.exception("%s failed and is tried again", work.__name__)

    async def _listen(self) -> None:
        """Look again as soon as a delivery is written or an event is applied; polling is the fallback."""
        while True:
            try:
                async with self._database.session() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    async for _ in connection.notifies():
                        self._wake.set()
            except Outage as error:
                log.warning("waiting: %s", error)
            except Exception:  # polling goes on meanwhile
                log.exception("listening broke off and is begun again")
            await asyncio.sleep(self._limits.pause_seconds)

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()
