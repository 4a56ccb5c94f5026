"""The webhook dispatcher: sends due deliveries side by side and writes down how each attempt ended."""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from schemas import logs, metrics
from sink.deliveries import (
    CHANNEL,
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
from streams.leasing import Leaser, Pace, until_written
from streams.schedule import LEASES, after_attempt, retry_after_seconds

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Pace):
    """How many calls run at once, and how long one may take, in seconds."""

    calls_per_endpoint: int = 4
    calls_per_tenant: int = 32  # half of the places, so that one tenant's hanging receivers hold up no other tenant
    call_seconds: float = 20
    time_scale: float = 1


class Dispatcher:
    """Sends webhooks until it is told to stop."""

    def __init__(self, database: Database, client: Poster, secrets: SecretBox, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self._leaser = Leaser(database, Deliveries(database, client, secrets, limits), limits)

    @property
    def waiting(self) -> str | None:
        """Why nothing is sent at the moment, None when all is well."""
        return self._leaser.waiting

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then let the calls in flight end."""
        await self._leaser.run(stop)


class Deliveries:
    """What the dispatcher does with deliveries."""

    channel = CHANNEL

    def __init__(self, database: Database, client: Poster, secrets: SecretBox, limits: Limits) -> None:
        self._database = database
        self._client = client
        self._secrets = secrets
        self._limits = limits

    async def lease(self, connection: Connection, free: int, own: Sequence[UUID]) -> list[Leased]:
        """Due deliveries; each counts as an attempt from here on."""
        return await lease(
            connection,
            free=free,
            per_endpoint=self._limits.calls_per_endpoint,
            per_tenant=self._limits.calls_per_tenant,
            attempts=LEASES,
            own=own,
            seconds=self._limits.lease_seconds,
        )

    async def extend(self, connection: Connection, own: Sequence[UUID]) -> None:
        """Keep the leases of calls that are still running."""
        await extend(connection, own, self._limits.lease_seconds)

    async def sweep(self, connection: Connection) -> None:
        """End what can never be sent."""
        if ended := await end_superseded(connection):
            log.info("%d deliveries ended: their events were superseded", ended)
        if ended := await end_spent(connection, LEASES):
            log.error("%d deliveries ended: they were leased %d times", ended, LEASES)
        metrics.WEBHOOKS_GATED.set(await count_gated(connection))

    async def do(self, job: Leased) -> None:
        """Send once, then write down the outcome, waiting for the database as long as it takes."""
        with logs.bound(job_id=str(job.job_id), tenant=job.tenant, attempt=job.attempt):
            attempted = await attempt(job, self._client, self._secrets, self._limits.call_seconds)
            write = partial(self._record, leased=job, attempted=attempted)
            kept = await until_written(self._database, write, self._limits.pause_seconds)
            outcome = attempted.outcome
            metrics.WEBHOOK_ATTEMPTS.labels(outcome=outcome.outcome if kept else "lease_lost").inc()
            log.info("webhook %s: %s %s", job.delivery_id, outcome.outcome, outcome.status or outcome.error)

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
