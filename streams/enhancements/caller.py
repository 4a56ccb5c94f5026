"""Caller of the enhanced-AI service: checks consent and limits, makes the call, publishes its result event."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from schemas import metrics
from schemas.errors import Outage, Permanent, Transient
from schemas.events import EnhancementResult, JobError, Outcome, event_id
from schemas.ports import EnhancementOutput, EnhancementQuery, Enhancer, Throttled
from schemas.process import logs
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import Waiting
from schemas.tenants.enhancement_consent import allowed_model, check_allowed, check_model, is_spent, next_day
from schemas.tenants.quotas import TOKENS_PER_DAY
from schemas.topics import ENHANCEMENTS
from schemas.transcript import Transcript
from schemas.vocabulary.job_states import JobState
from schemas.wire.headers import trace_id
from schemas.wire.records import Record, record_of
from schemas.wire.serde import Serde
from sink.enhancements import calls
from sink.enhancements.calls import Call, KeptAnswers, LeaseLost
from sink.enhancements.requests import CHANNEL
from sink.enhancements.waiting import count_held
from sink.jobs import queries
from sink.postgres.database import Connection, Database
from sink.process import tracing
from sink.process.span_names import ATTEMPT, JOB_ID, OUTCOME, TENANT, Attributes
from sink.tenants.policies import policy_of
from streams.enhancements.circuit_breaker import CircuitBreaker
from streams.enhancements.retry_schedule import ATTEMPTS, AWAY_SECONDS, retried_at, throttled_until
from streams.runtime.lease_worker import GROUP, LeaseTiming

log = logging.getLogger(__name__)

ENHANCED_AI = f"{GROUP} enhanced-ai"  # what metrics and reports call the calls, beside the webhooks of the same process
MAX_ENTITIES = 1000  # that a result may carry, each of at most 200 characters: a record has its limit
LEASES = 2 * ATTEMPTS  # an attempt without an outcome, as a killed process leaves, is made again


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancingLimits(LeaseTiming):
    """Limits of concurrent calls, and of tokens per day for all tenants together."""

    concurrency: int = 4
    calls_per_tenant: int = 2
    tokens_per_day: int | None = None
    time_scale: float = 1


@dataclass(frozen=True, slots=True)
class Deferred:
    """The call is deferred until the given time; states whether the attempt counts."""

    until: datetime
    counts: bool


Verdict = EnhancementOutput | Permanent | Deferred


class Enhancements:
    """Work of the dispatcher on enhancement calls; `offered` are the models that may be requested."""

    channel = CHANNEL

    def __init__(
        self, database: Database, enhancer: Enhancer, offered: tuple[str, ...], serde: Serde, limits: EnhancingLimits
    ) -> None:
        self._database = database
        self._enhancer = enhancer
        self._offered = offered
        self._serde = serde
        self._limits = limits
        self._breaker = CircuitBreaker()
        self.held: tuple[Waiting, ...] = ()
        """What waits, as the last sweep has counted it."""

    async def lease(self, connection: Connection, free: int, own: Sequence[UUID]) -> list[Call]:
        """Lease due calls, fewer or none while the service is away."""
        free = self._breaker.permits(free, len(own), time.monotonic())
        metrics.ENHANCED_AI_OPEN.set(not self._breaker.is_closed)
        if not free:
            return []
        return await calls.lease(
            connection,
            free=free,
            per_tenant=self._limits.calls_per_tenant,
            seconds=self._limits.lease_seconds,
        )

    async def extend(self, connection: Connection, own: Sequence[UUID]) -> None:
        """Extend the leases of calls in progress."""
        await calls.extend(connection, own, self._limits.lease_seconds)

    async def sweep(self, connection: Connection) -> None:
        """Count the waiting calls."""
        metrics.ENHANCEMENTS_WAITING.set(await calls.waiting(connection))
        found = (await count_held(connection)).items()
        self.held = tuple(Waiting(ENHANCED_AI, self._reason(reason), *held) for reason, held in found)

    def _reason(self, found: WaitReason) -> WaitReason:
        """The gate that holds a call; for a due call the circuit breaker, while the service is away."""
        held = found is WaitReason.ENHANCEMENT_DUE and not self._breaker.is_closed
        return WaitReason.ENHANCED_AI_AWAY if held else found

    async def do(self, job: Call) -> None:
        """Finish a call, or defer it."""
        names: Attributes = {JOB_ID: str(job.job_id), TENANT: job.tenant, ATTEMPT: job.attempt}
        with (
            logs.bound(job_id=str(job.job_id), tenant=job.tenant, attempt=job.attempt, trace_id=trace_id(job.trace)),
            tracing.span("enhance", "client", parent=job.trace, attributes=names) as span,
        ):
            try:
                verdict = await self._tried(job)
            except LeaseLost:
                log.info("enhancement %s went to another process, or its job was erased", job.enhancement_id)
                return
            # the first encoding may ask a schema registry
            write = await asyncio.to_thread(self._writing, job, verdict)
            kept = await self._database.run_when_back(write, self._limits.pause_seconds)
            outcome = _named(verdict) if kept else "lease_lost"
            metrics.ENHANCEMENTS.labels(outcome=outcome).inc()
            span.set(OUTCOME, outcome)
            log.info("enhancement %s: %s", job.enhancement_id, outcome)

    def _writing(self, call: Call, verdict: Verdict) -> "Callable[[Connection], Awaitable[bool]]":
        if isinstance(verdict, Deferred):
            return partial(calls.postpone, call=call, until=verdict.until, counts=verdict.counts)
        result = result_of(call, verdict, datetime.now(UTC))
        record: Record = record_of(self._serde, ENHANCEMENTS, result, "dispatch", result.completed_at)
        return partial(calls.finish, call=call, state=str(result.outcome), record=record)

    async def _tried(self, call: Call) -> Verdict:
        try:
            model = await self._admitted(call)
            if isinstance(model, Deferred):
                return model
            ask = EnhancementQuery(
                enhancement_id=call.enhancement_id,
                run=call.run,
                tenant=call.tenant,
                job_id=call.job_id,
                transcript=await self._transcript(call),
                summarization=call.summarization,
                entity_extraction=call.entity_extraction,
                model=model,
            )
        except Permanent as error:
            return error
        except Outage as error:
            log.warning("waiting: %s", error)
            return self._away()
        return await self._asked(call, ask)

    async def _asked(self, call: Call, ask: EnhancementQuery) -> Verdict:
        """The output of the service; only this reports to the circuit breaker."""
        now = datetime.now(UTC)
        try:
            found = await self._enhancer.enhance(ask, KeptAnswers(self._database, call))
        except Permanent as error:
            self._breaker = self._breaker.succeeded()
            return error
        except Transient as error:
            self._breaker = self._breaker.succeeded()
            return self._again(call, error, now)
        except Outage as error:
            self._breaker = self._breaker.failed(time.monotonic())
            log.warning("waiting: %s", error)
            return self._away()
        self._breaker = self._breaker.succeeded()
        return found

    def _away(self) -> Deferred:
        return Deferred(_in(AWAY_SECONDS * self._limits.time_scale), counts=False)

    async def _admitted(self, call: Call) -> str | Deferred | None:
        """The model to call; an exhausted daily limit defers the call; raises Permanent when it is not allowed."""
        if call.job_state != JobState.COMPLETED:
            raise Permanent("no_transcript", f"the job's state is {call.job_state}")
        if call.attempt > LEASES:
            raise Permanent("retries_exhausted", f"{call.attempt} attempts were begun")
        async with self._database.connection() as connection:
            policy = await policy_of(connection, call.tenant)
            own, everybodys = await calls.spent_today(connection, call.tenant)
        check_allowed(policy, call.llm_model)
        check_model(call.llm_model, self._offered)
        quota = policy.quotas.get(TOKENS_PER_DAY) if policy else None
        if is_spent(own, quota) or is_spent(everybodys, self._limits.tokens_per_day):
            log.warning("the day's tokens are spent: %d of the tenant, %d in all", own, everybodys)
            return Deferred(next_day(datetime.now(UTC)), counts=False)
        return allowed_model(policy, call.llm_model, self._offered)

    async def _transcript(self, call: Call) -> Transcript:
        async with self._database.connection() as connection:
            job = await queries.find(connection, call.job_id, call.tenant)
            if job is None:
                raise LeaseLost
            return await queries.transcript(connection, job)

    def _again(self, call: Call, error: Transient, now: datetime) -> Verdict:
        scale = self._limits.time_scale
        spread = random.random()  # noqa: S311 - spreads load, no secret
        if isinstance(error, Throttled):
            return Deferred(throttled_until(error.retry_after, now, spread=spread, time_scale=scale), counts=False)
        at = retried_at(call.attempt, now, spread=spread, time_scale=scale)
        if at is None:
            return Permanent("retries_exhausted", str(error))
        log.warning("tried again at %s: %s", at.isoformat(), error)
        return Deferred(at, counts=True)


def result_of(call: Call, end: EnhancementOutput | Permanent, now: datetime) -> EnhancementResult:
    """The event that reports an enhancement's result; of too many entities only the first ones are kept."""
    result = EnhancementResult(
        event_id=event_id(call.job_id, EnhancementResult.KIND, call.run, str(call.enhancement_id)),
        job_id=call.job_id,
        run=call.run,
        tenant=call.tenant,
        enhancement_id=call.enhancement_id,
        outcome=Outcome.COMPLETED,
        completed_at=now,
    )
    if isinstance(end, Permanent):
        error = JobError(kind=str(end.kind), code=end.code, message=end.message)
        return replace(result, outcome=Outcome.FAILED, error=error)
    return replace(
        result, summary=end.summary, entities=end.entities[:MAX_ENTITIES], model=end.model, tokens=end.tokens
    )


def _named(verdict: Verdict) -> str:
    match verdict:
        case Deferred():
            return "postponed"
        case Permanent():
            return "failed"
        case _:
            return "completed"


def _in(seconds: float) -> datetime:
    return datetime.fromtimestamp(time.time() + seconds, UTC)
