"""The webhook dispatcher: sends due deliveries concurrently and records the outcome of each attempt."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from schemas import metrics
from schemas.process import logs
from schemas.process.failpoints import failpoint
from schemas.process.wait_report import Waiting, WaitReport
from schemas.webhooks.deliveries import DeliveryState
from schemas.wire.headers import trace_id
from sink.postgres.database import Connection, Database
from sink.process import tracing
from sink.process.span_names import (
    ATTEMPT,
    HTTP_METHOD,
    HTTP_RESENDS,
    HTTP_STATUS,
    JOB_ID,
    OUTCOME,
    TENANT,
    Attributes,
)
from sink.webhooks import leases
from sink.webhooks.deliveries import CHANNEL, release_missed, release_unrunnable, tell_conflicts
from sink.webhooks.endpoint_health import (
    DeliveryBacklog,
    backlog,
    end_disabled,
    end_superseded,
    exhaust_overleased,
    forget_old_secrets,
)
from sink.webhooks.leases import LeasedDelivery, lock_endpoints, queues
from sink.webhooks.secrets import SecretBox
from sink.webhooks.waiting import count_held
from streams.runtime.lease_worker import GROUP, Leaser, LeaseTiming
from streams.webhooks.attempt import Attempted, Poster, attempt
from streams.webhooks.fair_share import ConcurrencyLimits, InFlight, shared
from streams.webhooks.record_attempt import Recorded, record
from streams.webhooks.retry_schedule import FAILING_SECONDS, LEASES

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherLimits(LeaseTiming):
    """Limits: concurrent calls, the time of one call, and the time for which an endpoint may fail; in seconds.

    A call is a waiting socket and a few kilobytes, so many may run: hanging endpoints occupy some of them until they
    are known to fail, and then half of them at most.
    """

    concurrency: int = 256
    calls_per_endpoint: int = 4
    calls_per_tenant: int = (
        128  # half of the concurrency, so that one tenant's hanging receivers hold up no other tenant
    )
    calls_to_failing: int = 128  # for all endpoints together whose last attempt failed
    calls_per_second: float = 100  # to an endpoint that has no limit of its own
    call_seconds: float = 20
    time_scale: float = 1  # of all that follows an attempt: delays, pauses, and the next one
    failing_seconds: float = FAILING_SECONDS

    @property
    def shares(self) -> ConcurrencyLimits:
        """The limits of tenants and endpoints within the concurrent calls."""
        return ConcurrencyLimits(
            per_endpoint=self.calls_per_endpoint,
            per_tenant=self.calls_per_tenant,
            failing=self.calls_to_failing,
            per_second=self.calls_per_second,
        )


class Dispatcher:
    """Sends webhooks until it is stopped."""

    def __init__(
        self, database: Database, client: Poster, secrets: SecretBox, limits: DispatcherLimits | None = None
    ) -> None:
        limits = limits or DispatcherLimits()
        work = Deliveries(database, client, secrets, limits)
        self._leaser = Leaser(database, work, limits, lambda: work.held)

    @property
    def waiting(self) -> str | None:
        """The reason why nothing is sent now, None when there is none."""
        return self._leaser.waiting

    def waits(self) -> WaitReport:
        """The report of waiting deliveries, with reasons."""
        return self._leaser.waits()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then let the calls in progress end."""
        await self._leaser.run(stop)


class Deliveries:
    """Work of the dispatcher on webhook deliveries."""

    channel = CHANNEL

    def __init__(self, database: Database, client: Poster, secrets: SecretBox, limits: DispatcherLimits) -> None:
        self._database = database
        self._client = client
        self._secrets = secrets
        self._limits = limits
        self._calls: dict[UUID, LeasedDelivery] = {}
        self.held: tuple[Waiting, ...] = ()
        """What waits, as the last sweep has counted it."""

    async def lease(self, connection: Connection, free: int, own: Sequence[UUID]) -> list[LeasedDelivery]:
        """Lease due deliveries, shared among the endpoints; each counts as an attempt from here on."""
        shares = self._limits.shares
        self._calls = {token: self._calls[token] for token in own if token in self._calls}
        due = partial(queues, connection, per_endpoint=shares.per_endpoint, attempts=LEASES)
        if not (wanted := shared(await due(), free, InFlight.from_calls(self._calls.values()), shares)):
            return []
        # once more when no other dispatcher can come between
        locked = await lock_endpoints(connection, list(wanted))
        grants = shared(await due(only=locked), free, InFlight.from_calls(self._calls.values()), shares)
        leased = await leases.lease(connection, grants, attempts=LEASES, seconds=self._limits.lease_seconds)
        self._calls |= {call.lease_token: call for call in leased}
        return leased

    async def extend(self, connection: Connection, own: Sequence[UUID]) -> None:
        """Extend the leases of calls in progress."""
        await leases.extend(connection, own, self._limits.lease_seconds)

    async def sweep(self, connection: Connection) -> None:
        """End deliveries that can never be sent, and count waiting ones."""
        if released := await release_missed(connection) + await release_unrunnable(connection):
            log.info("%d deliveries released late", released)
        if released := await tell_conflicts(connection):
            log.warning("%d deliveries tell of a conflict: another request came under their job id", released)
        if ended := await end_superseded(connection):
            log.info("%d deliveries ended: their events were superseded", ended)
        if ended := await exhaust_overleased(connection, LEASES):
            log.error("%d deliveries ended: they were leased %d times", ended, LEASES)
        if ended := await end_disabled(connection):
            log.info("%d deliveries ended: their endpoints are disabled", ended)
        await forget_old_secrets(connection)
        _show(await backlog(connection))
        self.held = tuple(Waiting(GROUP, reason, *found) for reason, found in (await count_held(connection)).items())

    async def do(self, job: LeasedDelivery) -> None:
        """Send once, then record the outcome, waiting for the database as long as necessary."""
        job_id = None if job.job_id is None else str(job.job_id)
        with logs.bound(job_id=job_id, tenant=job.tenant, attempt=job.attempt, trace_id=trace_id(job.trace)):
            attempted = await self._attempted(job)
            failpoint("dispatch.after_send")
            write = partial(
                record,
                leased=job,
                attempted=attempted,
                time_scale=self._limits.time_scale,
                failing_seconds=self._limits.failing_seconds,
            )
            recorded = await self._database.run_when_back(write, self._limits.pause_seconds)
            failpoint("dispatch.after_record")
            tell_of(job, attempted, recorded)

    async def _attempted(self, job: LeasedDelivery) -> Attempted:
        names: Attributes = {
            TENANT: job.tenant,
            ATTEMPT: job.attempt,
            HTTP_METHOD: "POST",
            HTTP_RESENDS: job.attempt - 1,
        }
        with tracing.span("webhook", "client", parent=job.trace, attributes=names) as span:
            if job.job_id is not None:
                span.set(JOB_ID, str(job.job_id))
            with metrics.WEBHOOK_SECONDS.time():
                attempted = await attempt(job, self._client, self._secrets, self._limits.call_seconds)
            outcome = attempted.outcome
            span.set(OUTCOME, outcome.outcome)
            if outcome.status is not None:
                span.set(HTTP_STATUS, outcome.status)
            if outcome.outcome != "delivered":
                span.fail(str(outcome.status or outcome.outcome))
        return attempted


def tell_of(job: LeasedDelivery, attempted: Attempted, recorded: Recorded) -> None:
    """Count and log what came of an attempt."""
    outcome = attempted.outcome
    metrics.WEBHOOK_ATTEMPTS.labels(outcome=outcome.outcome if recorded.state else "lease_lost").inc()
    if recorded.state not in (None, DeliveryState.PENDING):
        metrics.WEBHOOKS_ENDED.labels(state=recorded.state).inc()
    log.info("webhook %s: %s %s", job.delivery_id, outcome.outcome, outcome.status or outcome.error)
    if recorded.disabled is not None:
        metrics.WEBHOOK_ENDPOINTS_DISABLED.labels(reason=recorded.disabled.kind).inc()
        log.warning("webhook endpoint %s is disabled: %s", job.endpoint_id, recorded.disabled.text)


def _show(backlog: DeliveryBacklog) -> None:
    metrics.WEBHOOKS_PENDING.set(backlog.pending)
    metrics.DELIVERIES_AWAITING_RESULT.set(backlog.gated)
    metrics.WEBHOOK_ENDPOINTS_CURRENTLY_DISABLED.set(backlog.disabled_endpoints)
    metrics.WEBHOOKS_OLDEST_DUE.set(backlog.oldest_due_seconds)
