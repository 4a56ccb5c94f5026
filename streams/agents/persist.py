"""scribe.persist: events become job rows, history, segments, policies, and the transcript in the object store."""

import logging
from datetime import UTC, datetime
from typing import Any

from schemas import metrics
from schemas.errors import Permanent
from schemas.events import EnhancementResult, JobError, JobProgress, JobRequested, JobResult, Outcome, TenantPolicy
from schemas.objects import check_tenant
from schemas.policies import check_policy
from schemas.ports import ObjectStore
from schemas.topics import ENHANCEMENTS, JOBS, JOBS_EXPRESS, PROGRESS, RESULTS, TENANTS
from sink import enhancements
from sink.postgres import Database
from sink.results import Effect, apply_progress, apply_request, apply_result, as_failed, result_refusal
from sink.tenants import apply_policy
from streams.app import RawSchema
from streams.recipe import DeadLetter, Recipe
from streams.safe_transport import ScribeApp
from streams.transcripts import check_result, drop, keep, transcript_of

log = logging.getLogger(__name__)

CONCURRENCY = 4  # records of one topic that are in work at the same time


class Persist:
    """What each event does, in one transaction; every method names its effect."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database = database
        self._store = store

    async def requested(self, event: JobRequested) -> str:
        """A job or its next run begins."""
        check_tenant(event.tenant)
        return await self._database.run(lambda connection: apply_request(connection, event))

    async def progressed(self, event: JobProgress) -> str:
        """A running job tells how far it is."""
        return await self._database.run(lambda connection: apply_progress(connection, event))

    async def ended(self, event: JobResult) -> str:
        """A job has ended: 1. its transcript is stored, 2. its row says so, 3. it is counted."""
        check_result(event)
        async with self._database.connection() as connection:
            # what would change nothing must not leave an object either
            before = await result_refusal(connection, event)
        if before not in (None, Effect.UNKNOWN):
            return named(event, before)
        transcript = await transcript_of(self._store, event)
        kept = await keep(self._store, event, transcript) if transcript else None
        effect = await self._database.run(lambda connection: apply_result(connection, event, kept))
        if effect is Effect.ERASED and kept is not None:
            await drop(self._store, kept)
        if effect is Effect.APPLIED:
            count(event)
        return named(event, effect)

    async def unapplied(self, event: JobResult, letter: DeadLetter) -> None:
        """A result that cannot be applied was set aside: its job fails, so that it ends and its webhook goes out."""
        check_result(event)
        reason = Permanent("internal", f"its result could not be applied ({letter.code})")
        error = JobError(kind=str(reason.kind), code=reason.code, message=reason.message)
        effect = await self._database.run(lambda connection: apply_result(connection, event, None, error))
        if effect is Effect.APPLIED:
            count(as_failed(event, error))

    async def enhanced(self, event: EnhancementResult) -> str:
        """An enhancement has ended."""
        check_tenant(event.tenant)
        return await self._database.run(lambda connection: enhancements.apply(connection, event))

    async def ruled(self, event: TenantPolicy) -> str:
        """A tenant's policy is set; one that can never be in force raises Permanent."""
        check_policy(event, datetime.now(UTC))
        applied = await self._database.run(lambda connection: apply_policy(connection, event))
        return Effect.APPLIED if applied else Effect.STALE


def named(event: JobResult, effect: Effect) -> str:
    """The effect of a result by its name; two requests under one job id are the submitter's mistake, and told."""
    if effect is Effect.CONFLICTING:
        log.warning("the result is of another request than job %s, run %d", event.job_id, event.run)
    return str(effect)


def count(event: JobResult) -> None:
    """Count a job's end."""
    if event.outcome is Outcome.COMPLETED:
        metrics.JOBS_COMPLETED.inc()
    elif event.outcome is Outcome.FAILED:
        metrics.JOBS_FAILED.labels(kind=event.error.kind if event.error else "internal").inc()
    metrics.JOB_DURATION.observe(max(0.0, (event.completed_at - event.request.requested_at).total_seconds()))


def register(
    app: ScribeApp,
    recipe: Recipe,
    persist: Persist,
    *,
    jobs: tuple[str, ...] = (JOBS, JOBS_EXPRESS),
    progress: str = PROGRESS,
    results: str = RESULTS,
    tenants: str = TENANTS,
    enhanced: str = ENHANCEMENTS,
) -> None:
    """Add the app's agents."""

    @app.agent(app.topic(*jobs, schema=RawSchema()), name="jobs", concurrency=CONCURRENCY)
    async def on_jobs(stream: Any) -> None:
        await recipe.run(stream, JobRequested, persist.requested)

    @app.agent(app.topic(progress, schema=RawSchema()), name="progress")
    async def on_progress(stream: Any) -> None:
        await recipe.run(stream, JobProgress, persist.progressed)

    @app.agent(app.topic(results, schema=RawSchema()), name="results", concurrency=CONCURRENCY)
    async def on_results(stream: Any) -> None:
        await recipe.run(stream, JobResult, persist.ended, persist.unapplied)

    @app.agent(app.topic(enhanced, schema=RawSchema()), name="enhancements")
    async def on_enhancements(stream: Any) -> None:
        await recipe.run(stream, EnhancementResult, persist.enhanced)

    @app.agent(app.topic(tenants, schema=RawSchema()), name="tenants")
    async def on_tenants(stream: Any) -> None:
        await recipe.run(stream, TenantPolicy, persist.ruled)
