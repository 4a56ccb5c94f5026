"""Agents of scribe.persist: events become job rows, history, segments, policies, and stored transcripts."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from schemas import metrics
from schemas.errors import ErrorKind, Permanent
from schemas.events import EnhancementResult, JobError, JobProgress, JobRequested, JobResult, Outcome, TenantPolicy
from schemas.ports import ObjectStore
from schemas.tenants.policies import check_policy
from schemas.topics import ENHANCEMENTS, JOBS, JOBS_EXPRESS, PROGRESS, RESULTS, TENANTS
from schemas.wire.object_keys import check_tenant
from sink.enhancements import requests
from sink.jobs.results import (
    JobCompletion,
    StoredTranscript,
    apply_progress,
    apply_requests,
    apply_result,
    apply_results,
    as_failed,
    note_refused,
    result_refusals,
)
from sink.jobs.runs import Effect
from sink.postgres.database import Database
from sink.retention.erasure import extend_tombstone
from sink.tenants.policies import apply_policy
from streams.agents.transcript_store import Transcripts, check_result
from streams.kafka.transport import ScribeApp
from streams.runtime.app import RawSchema
from streams.runtime.event_loop import DeadLetterReason, EventLoop
from streams.runtime.group_commit import GroupCommit, GroupLimits

log = logging.getLogger(__name__)

LIMITS = GroupLimits()
# Records of one topic in work at the same time: full groups running, and the next ones decoded. The others too, whose events
# need no order among each other: Faust hands records of all topics on in one line, and one slow topic would hold that.
CONCURRENCY = 4 * LIMITS.items
WORD_BYTES = 60  # of a word, about, as Avro and as JSON


class Persist:
    """Handlers of the events; requests and results in groups, one transaction each. Every method returns its effect."""

    def __init__(self, database: Database, store: ObjectStore, limits: GroupLimits = LIMITS) -> None:
        self._database = database
        self._transcripts = Transcripts(store)
        self._requests = GroupCommit("requests", self._begin, key=lambda r: r.job_id, limits=limits)
        self._results = GroupCommit("results", self._end, key=lambda r: r.job_id, size=weight, limits=limits)

    async def requested(self, event: JobRequested) -> str:
        """Begin a job or its next run."""
        check_tenant(event.tenant)
        effect = await self._requests.add(event)
        if effect is Effect.CONFLICTING:
            log.warning("the request is another one than job %s, run %d", event.job_id, event.run)
        return await self._met(event, effect)

    async def progressed(self, event: JobProgress) -> str:
        """Store the progress of a running job."""
        return await self._database.run(lambda connection: apply_progress(connection, event))

    async def ended(self, event: JobResult) -> str:
        """End a job: 1. store its transcript, 2. update its row, 3. count it."""
        check_result(event)
        return await self._met(event, await self._results.add(event))

    async def _begin(self, events: Sequence[JobRequested]) -> Sequence[Effect]:
        return await self._database.run(lambda connection: apply_requests(connection, events))

    async def _end(self, events: Sequence[JobResult]) -> Sequence[Effect | Exception]:
        async with self._database.connection() as connection:
            # what would change nothing must not leave an object either
            refusals = await result_refusals(connection, events)
        refused = {e.job_id: r for e, r in zip(events, refusals, strict=True) if r not in (None, Effect.UNKNOWN)}
        await self._refuse([event for event in events if refused.get(event.job_id) is Effect.CONFLICTING])
        answers: dict[UUID, Effect | Exception] = dict(refused)
        accepted = [event for event in events if event.job_id not in answers]
        found = await asyncio.gather(*map(self._transcripts.keep, accepted), return_exceptions=True)
        ends = []
        for event, kept in zip(accepted, found, strict=True):
            if isinstance(kept, Exception):
                answers[event.job_id] = kept
            else:
                ends.append(JobCompletion(event, cast("StoredTranscript | None", kept)))
        answers |= await self._apply(ends)
        return [answers[event.job_id] for event in events]

    async def _refuse(self, conflicting: Sequence[JobResult]) -> None:
        if conflicting:
            await self._database.run(lambda connection: note_refused(connection, conflicting))
        for event in conflicting:
            tell(event, Effect.CONFLICTING)

    async def _apply(self, ends: Sequence[JobCompletion]) -> dict[UUID, Effect]:
        if not ends:
            return {}
        effects = await self._database.run(lambda connection: apply_results(connection, ends))
        for end, effect in zip(ends, effects, strict=True):
            if effect is Effect.ERASED and end.kept is not None:
                await self._transcripts.drop(end.kept)
            tell(end.result, effect)
        return {end.result.job_id: effect for end, effect in zip(ends, effects, strict=True)}

    async def _met(self, event: JobRequested | JobResult | EnhancementResult, effect: str) -> str:
        """Handle side effects: an event of an erased job is a new copy, whose writer may have left objects."""
        if effect == Effect.FOREIGN:
            log.warning("tenant %s uses the id of another tenant's job %s", event.tenant, event.job_id)
        if effect == Effect.ERASED:
            await self._database.run(lambda connection: extend_tombstone(connection, event.job_id, datetime.now(UTC)))
        return effect

    async def on_dead_letter(self, event: JobResult, letter: DeadLetterReason) -> None:
        """Fail the job of a result that was set aside, so that it ends and its webhook is sent."""
        check_result(event)
        reason = Permanent("internal", f"its result could not be applied ({letter.code})")
        error = event.error or JobError(kind=str(reason.kind), code=reason.code, message=reason.message)
        effect = await self._database.run(lambda connection: apply_result(connection, event, None, error))
        if effect is Effect.APPLIED:
            count(as_failed(event, error))

    async def enhanced(self, event: EnhancementResult) -> str:
        """Store the result of an enhancement."""
        check_tenant(event.tenant)
        return await self._met(event, await self._database.run(lambda connection: requests.apply(connection, event)))

    async def ruled(self, event: TenantPolicy) -> str:
        """Store a tenant's policy; raises Permanent for one that can never be in force."""
        check_policy(event, datetime.now(UTC))
        applied = await self._database.run(lambda connection: apply_policy(connection, event))
        return Effect.APPLIED if applied else Effect.STALE


def weight(event: JobResult) -> int:
    """The approximate size of a result's transcript in bytes."""
    if event.claim_check is not None:
        return event.claim_check.size_bytes
    return 0 if event.transcript is None else sum(WORD_BYTES * (len(s.words) + 2) for s in event.transcript.segments)


def tell(event: JobResult, effect: Effect) -> None:
    """Count an applied result, and warn of two requests under one job id, which is the submitter's mistake."""
    if effect is Effect.APPLIED:
        count(event)
    if effect is Effect.CONFLICTING:
        log.warning("the result is of another request than job %s, run %d", event.job_id, event.run)


def count(event: JobResult) -> None:
    """Count an ended job in the metrics."""
    if event.outcome is Outcome.COMPLETED:
        metrics.JOBS_COMPLETED.inc()
    elif event.outcome is Outcome.FAILED:
        metrics.JOBS_FAILED.labels(kind=label_of(event.error)).inc()
    metrics.JOB_DURATION.observe(max(0.0, (event.completed_at - event.request.requested_at).total_seconds()))


def label_of(error: JobError | None) -> ErrorKind:
    """The kind of an error as a metric label; unknown kinds count as internal, since each label is a time series."""
    return ErrorKind(error.kind) if error is not None and error.kind in set(ErrorKind) else ErrorKind.INTERNAL


def register(
    app: ScribeApp,
    loop: EventLoop,
    persist: Persist,
    *,
    jobs: tuple[str, ...] = (JOBS, JOBS_EXPRESS),
    progress: str = PROGRESS,
    results: str = RESULTS,
    tenants: str = TENANTS,
    enhanced: str = ENHANCEMENTS,
) -> None:
    """Register the app's agents."""

    @app.agent(app.topic(*jobs, schema=RawSchema()), name="jobs", concurrency=CONCURRENCY)
    async def on_jobs(stream: Any) -> None:
        await loop.run(stream, JobRequested, persist.requested, answer=persist.ended)

    @app.agent(app.topic(progress, schema=RawSchema()), name="progress", concurrency=CONCURRENCY)
    async def on_progress(stream: Any) -> None:
        await loop.run(stream, JobProgress, persist.progressed)

    @app.agent(app.topic(results, schema=RawSchema()), name="results", concurrency=CONCURRENCY)
    async def on_results(stream: Any) -> None:
        await loop.run(stream, JobResult, persist.ended, persist.on_dead_letter)

    @app.agent(app.topic(enhanced, schema=RawSchema()), name="enhancements", concurrency=CONCURRENCY)
    async def on_enhancements(stream: Any) -> None:
        await loop.run(stream, EnhancementResult, persist.enhanced, answer=persist.enhanced)

    @app.agent(app.topic(tenants, schema=RawSchema()), name="tenants", concurrency=CONCURRENCY)
    async def on_tenants(stream: Any) -> None:
        await loop.run(stream, TenantPolicy, persist.ruled)
