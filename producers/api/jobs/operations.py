"""Submitting jobs and reading them: state, progress, history, transcript."""

from functools import partial
from typing import Annotated
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Query, Response

from producers.api.jobs.bodies import TranscribeBody
from producers.api.jobs.enhanced_ai import ASK_CODES, check_ask
from producers.api.jobs.views import (
    POLL_SECONDS,
    JobSummary,
    JobView,
    download_of,
    failure_of,
    job_path,
    summary,
    title_of,
    view,
)
from producers.api.problems import JobFailed, problem_responses
from producers.api.requests.idempotency import JOB, IdempotencyKey, chosen_id, reuse_told
from producers.api.requests.media_types import BODY_CODES, StrictRoute
from producers.api.services import KeyDep, Services, ServicesDep, TraceDep
from producers.jobs.submit import Trace, accept, check, job_record, known
from producers.transcripts.documents import to_file
from producers.transcripts.formats import Format
from producers.transcripts.rendering import CONTENT_TYPES
from schemas import metrics
from schemas.errors import NotAllowed, Permanent, Rejected
from schemas.events import JobRequested, Source, TenantPolicy
from schemas.process.failpoints import failpoint
from schemas.tenants.permissions import policy_for
from schemas.transcript import Transcript
from schemas.vocabulary.job_states import ENDED, JobState
from sink.jobs import queries
from sink.jobs.queries import JobRow
from sink.postgres.database import Connection
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
    *ASK_CODES,
)


@router.post(
    "/transcribe",
    operation_id="transcribe",
    summary="Transcribe a recording that lies at an address",
    status_code=202,
    responses=problem_responses(*REQUEST_CODES),
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
    request = body.request(key.tenant, Source(uri=body.url), services.now(), job_id)
    with reuse_told(idempotency_key, JOB):
        return await submit(services, request, trace, response)


@router.get(
    "/jobs/{job_id}",
    operation_id="getJob",
    summary="State, progress, result and history of a job",
    responses=problem_responses("invalid_request", "unauthorized", "not_found"),
)
async def read_job(job_id: UUID, response: Response, services: ServicesDep, key: KeyDep) -> JobView:
    """Poll it at the pace that Retry-After names, or have a webhook called."""
    detail = await queries.read(services.database, job_id, key.tenant)
    if detail is None:
        raise _unknown(job_id)
    if detail.job.state not in ENDED:
        response.headers["Retry-After"] = str(POLL_SECONDS)
    return view(detail)


@router.get(
    "/jobs/{job_id}/transcript",
    operation_id="getTranscript",
    summary="The transcript of a completed job",
    response_class=Response,
    responses={
        200: {"description": "The transcript", "content": {kind: {} for kind in CONTENT_TYPES.values()}},
        **problem_responses("invalid_request", "unauthorized", "not_found", "not_ready", "cancelled"),
    },
)
async def read_transcript(
    job_id: UUID,
    services: ServicesDep,
    key: KeyDep,
    form: Annotated[Format, Query(alias="format", description="The form of the transcript.")] = Format.JSON,
) -> Response:
    """Before the job has ended: 409 `not_ready`. After it has failed: 409 with the code and message of its error."""

    job, transcript = await read_result(services, job_id, key.tenant)
    if job is None or transcript is None:
        raise _without_transcript(job) if job else _unknown(job_id)
    # long transcripts take a while to write out, and nobody else should wait for that
    content = await anyio.to_thread.run_sync(to_file, transcript, form, title_of(job))
    return Response(content, media_type=CONTENT_TYPES[form], headers={"Content-Disposition": download_of(job, form)})


async def read_result(services: Services, job_id: UUID, tenant: str) -> tuple[JobRow | None, Transcript | None]:
    """A tenant's job, None if there is none, and its transcript, None if it has none."""

    async def read(connection: Connection) -> tuple[JobRow | None, Transcript | None]:
        job = await queries.find(connection, job_id, tenant)
        return job, await queries.transcript(connection, job) if job and job.state == JobState.COMPLETED else None

    # a replica may not have the job or its end yet
    return await services.reading.run(tenant, read, settled=lambda found: found[1] is not None)


async def submit(services: Services, request: JobRequested, trace: Trace, response: Response) -> JobSummary:
    """Check a request, commit its job and return it with its address."""
    job = await accepted_job(services, request, trace)
    response.headers["Location"] = job_path(request.job_id)
    response.headers["Retry-After"] = str(POLL_SECONDS)
    return summary(job)


async def accepted_job(services: Services, request: JobRequested, trace: Trace) -> JobRow:
    """Check a request and commit its job.

    What was accepted once is answered again, whatever the tenant may do by now.
    """
    try:
        return await _accepted(services, request, trace)
    except NotAllowed:
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
    # the first encoding may ask a schema registry for its ids
    make = partial(job_record, services.serde, request, "api", services.now(), trace, services.topics)
    record = make() if services.serde.has_learned(JobRequested) else await anyio.to_thread.run_sync(make)
    while (accepted := await accept(services.database, request, record, policy)) is None:
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


def _without_transcript(job: JobRow) -> Rejected:
    match job.state:
        case JobState.CANCELLED:
            return Rejected("cancelled")
        case JobState.FAILED:
            return JobFailed(*failure_of(job))
        case state:
            return Rejected("not_ready", f"its state is {state}")
