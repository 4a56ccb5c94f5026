"""Submitting jobs and reading them: state, progress, history."""

from functools import partial
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Response

from producers.api.jobs.admission import QueueTooLong, check_wait
from producers.api.jobs.bodies import TranscribeBody
from producers.api.jobs.results.enhanced_ai import ASK_CODES, check_ask
from producers.api.jobs.uploads import finishing
from producers.api.jobs.uploads.sources import source_in
from producers.api.jobs.views import POLL_SECONDS, JobSummary, JobView, job_path, summary, view
from producers.api.problems import problem_responses
from producers.api.requests.idempotency import JOB, IdempotencyKey, chosen_id, reuse_told
from producers.api.requests.ids import JobId
from producers.api.requests.media_types import BODY_CODES, StrictRoute
from producers.api.services import KeyDep, Services, ServicesDep, TraceDep
from producers.jobs.submit import Trace, accept, check, job_record, known
from schemas import metrics
from schemas.errors import NotAllowed, Permanent, Rejected
from schemas.events import JobRequested, TenantPolicy
from schemas.process.failpoints import failpoint
from schemas.tenants.permissions import policy_for
from schemas.vocabulary.job_states import ENDED
from sink.jobs import queries
from sink.jobs.queries import JobRow
from sink.tenants.policies import policy_of

router = APIRouter(prefix="/api/v1", tags=["jobs"], route_class=StrictRoute)
REQUEST_CODES = (
    "invalid_request",
    "unauthorized",
    "conflict",
    "idempotency_key_reused",
    "expired",
    *BODY_CODES,
    "unknown_engine",
    "unknown_model",
    "unknown_language",
    "language_required",
    "source_refused",
    "unknown_tenant",
    "model_not_allowed",
    "quota_exceeded",
    "queue_too_long",
    *ASK_CODES,
)


@router.post(
    "/transcribe",
    operation_id="transcribe",
    summary="Transcribe a recording that lies at an address, or was uploaded",
    status_code=202,
    responses=problem_responses(*REQUEST_CODES, *finishing.CODES),
)
async def transcribe(
    body: TranscribeBody,
    response: Response,
    services: ServicesDep,
    key: KeyDep,
    trace: TraceDep,
    idempotency_key: IdempotencyKey,
) -> JobSummary:
    """The job is durable when this answers 202.

    Sending the same request again is harmless with the same `job_id`, or with the same `Idempotency-Key`.
    """
    job_id = chosen_id(idempotency_key, key.tenant, JOB, body.job_id, "job_id")
    source = await source_in(body, services, key.tenant, job_id)
    request = body.request(key.tenant, source, services.now(), job_id)
    with reuse_told(idempotency_key, JOB):
        return await submit(services, request, trace, response)


@router.get(
    "/jobs/{job_id}",
    operation_id="getJob",
    summary="State, progress, result and history of a job",
    responses=problem_responses("invalid_request", "unauthorized", "not_found"),
)
async def read_job(job_id: JobId, response: Response, services: ServicesDep, key: KeyDep) -> JobView:
    """Poll it at the pace that Retry-After names, or have a webhook called."""
    detail = await queries.read(services.database, job_id, key.tenant)
    if detail is None:
        raise _unknown(job_id)
    if detail.job.state in ENDED:
        return view(detail)
    response.headers["Retry-After"] = str(POLL_SECONDS)
    return view(detail, await services.forecasts.current(services.database))


async def submit(services: Services, request: JobRequested, trace: Trace, response: Response) -> JobSummary:
    """Check a request, commit its job and return it with its address."""
    job = await accepted_job(services, request, trace)
    response.headers["Location"] = job_path(request.job_id)
    response.headers["Retry-After"] = str(POLL_SECONDS)
    return summary(job)


async def accepted_job(services: Services, request: JobRequested, trace: Trace) -> JobRow:
    """Check a request and commit its job.

    What was accepted once is answered again, whatever the tenant may do by now and however many jobs wait.
    """
    try:
        return await _accepted(services, request, trace)
    except (NotAllowed, QueueTooLong):
        before = await known(services.database, request)
        if before is None:
            raise
        return before


async def policy_in_force(services: Services, tenant: str) -> TenantPolicy:
    """The policy of the tenant that is in force; raises NotAllowed(unknown_tenant)."""
    async with services.database.as_tenant(tenant) as connection:
        stored = await policy_of(connection, tenant)
    return services.policies.keep(policy_for(tenant, stored, services.unknown_tenant))


async def _accepted(services: Services, request: JobRequested, trace: Trace) -> JobRow:
    """The accepted job; the policy is checked again at the commit, since it may have changed since it was last read."""
    policy = services.policies.get(request.tenant)
    if policy is None or not _passes(services, request, policy):
        policy = await _allowing(services, request)
    await check_wait(services, request)
    # the first encoding may ask a schema registry for its ids
    make = partial(job_record, services.serde, request, "api", services.now(), trace, services.topics)
    record = make() if services.serde.has_learned(JobRequested) else await anyio.to_thread.run_sync(make)
    while (accepted := await accept(services.database, request, record, policy, services.commits)) is None:
        policy = await _allowing(services, request)
    failpoint("api.after_accept")
    if accepted.created:
        metrics.JOBS_SUBMITTED.labels("rest").inc()
    return accepted.job


async def _allowing(services: Services, request: JobRequested) -> TenantPolicy:
    policy = await policy_in_force(services, request.tenant)
    _check(services, request, policy)
    return policy


def _passes(services: Services, request: JobRequested, policy: TenantPolicy) -> bool:
    try:
        _check(services, request, policy)
    except Permanent:
        return False
    return True


def _check(services: Services, request: JobRequested, policy: TenantPolicy) -> None:
    if request.enhancement is not None:
        check_ask(services, policy, request.enhancement)
    check(request, policy, services.registry, services.now(), services.check_address, services.store.key)


def _unknown(job_id: UUID) -> Rejected:
    return Rejected("not_found", f"job {job_id}")
