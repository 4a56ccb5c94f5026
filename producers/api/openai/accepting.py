"""Acceptance of a form of OpenAI's interface: its file stored, its job committed or found."""

from dataclasses import dataclass, replace
from uuid import UUID

from fastapi import Request

from producers.api.jobs.operations import accepted_job
from producers.api.openai.forms import LISTS, TranscriptionForm, read_form
from producers.api.openai.joining import JobIds
from producers.api.requests.file_upload import stored_file
from producers.api.requests.idempotency import JOB, id_of, reuse_told
from producers.api.requests.media_types import FORM, check_media_type
from producers.api.requests.multipart import MultipartForm
from producers.api.services import Services
from producers.jobs.submit import Trace
from schemas.errors import Rejected
from schemas.events import JobRequested, Source, Task
from sink.jobs import queries
from sink.jobs.queries import JobRow
from sink.tenants.api_keys import ApiKey

JOB_ID_HEADER = "X-Scribe-Job-Id"
RETRY_HEADER = "X-Stainless-Retry-Count"
"""How often an official client has sent a request before."""
_UNUSED_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Asked:
    """A job, and what its answer is to look like."""

    job_id: UUID
    tenant: str
    task: Task
    form: TranscriptionForm

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer to it."""
        return {JOB_ID_HEADER: str(self.job_id)}


async def accept_form(
    request: Request,
    services: Services,
    key: ApiKey,
    task: Task,
    kind: type[TranscriptionForm],
    trace: Trace,
    idempotency_key: str | None,
) -> Asked:
    """Read a form, and commit its job unless the same request has one already; raises Rejected."""
    check_media_type(request.headers, FORM)
    content_type = request.headers["content-type"]
    form = MultipartForm(content_type, services.upload_max_bytes, kind.model_fields, lists=LISTS, ignores_others=True)
    async with stored_file(request, form, services, key.tenant) as file:
        fields = read_form(form, kind)
        wanted = _request(services, key.tenant, task, fields, file.source)
        if idempotency_key is None:
            again = request.headers.get(RETRY_HEADER, "0") != "0"
            job = await _joined(services, wanted, key.key_id, trace, again=again)
        else:
            with reuse_told(idempotency_key, JOB):
                job = await accepted_job(services, _named(wanted, id_of(key.tenant, JOB, idempotency_key)), trace)
        file.kept = job.request["source"]["uri"] == file.source.uri
    return Asked(job.job_id, key.tenant, task, fields)


async def _joined(services: Services, request: JobRequested, key_id: str, trace: Trace, *, again: bool) -> JobRow:
    """The job that answers a request; a new one where there is none."""
    ids = JobIds(request, key_id, services.now())
    async with services.database.as_tenant(request.tenant) as connection:
        jobs = await queries.find_each(connection, ids.known, request.tenant)
    refused = Rejected("conflict")
    for job_id in ids.choices(jobs, again=again):
        try:
            return await accepted_job(services, _named(request, job_id), trace)
        except Rejected as error:
            if error.code != "conflict":  # with a job that was erased
                raise
            refused = error
    raise refused


def _request(services: Services, tenant: str, task: Task, form: TranscriptionForm, source: Source) -> JobRequested:
    return JobRequested(
        job_id=_UNUSED_ID,
        tenant=tenant,
        source=source,
        options=form.options(task, services.registry),
        requested_at=services.now(),
    )


def _named(request: JobRequested, job_id: UUID) -> JobRequested:
    return replace(request, job_id=job_id)
