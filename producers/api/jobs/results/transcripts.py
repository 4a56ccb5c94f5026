"""The operation that reads the transcript of a job, as a machine or as people left it, in any format."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Query, Response

from producers.api.jobs.views import download_of, failure_of, title_of
from producers.api.problems import JobFailed, problem_responses
from producers.api.requests.conditional import tag_of
from producers.api.requests.ids import JobId
from producers.api.requests.media_types import StrictRoute
from producers.api.services import KeyDep, Services, ServicesDep
from producers.api.web.contract.transcripts import content as content_of_transcripts
from producers.transcripts.documents import to_file
from producers.transcripts.formats import Format
from producers.transcripts.rendering import CONTENT_TYPES
from schemas.errors import Outage, Rejected
from schemas.requests.revisions.changes import corrected, total
from schemas.transcript import Transcript
from schemas.vocabulary.job_states import JobState
from sink.jobs import queries
from sink.jobs.queries import JobRow
from sink.jobs.transcripts.revisions import Revision, last_revision, revisions_of
from sink.postgres.database import Connection

router = APIRouter(prefix="/api/v1", tags=["jobs"], route_class=StrictRoute)
MACHINE = "machine"
TAG_HEADER = {
    "description": "A tag that changes with the answer. Hand it back as If-Match to correct what you have read.",
    "schema": {"type": "string"},
}


@dataclass(frozen=True, slots=True)
class RevisedTranscript:
    """A completed job, its machine's transcript, and its revisions up to the wanted one."""

    job: JobRow
    machine: Transcript
    revisions: Sequence[Revision]

    def to_file(self, form: Format) -> bytes:
        """The transcript with its corrections as a file."""
        transcript = corrected(self.machine, total(revision.changes for revision in self.revisions))
        return to_file(transcript, form, title_of(self.job))


@router.get(
    "/jobs/{job_id}/transcript",
    operation_id="getTranscript",
    summary="The transcript of a completed job, with its corrections",
    response_class=Response,
    responses={
        200: {
            "description": "The transcript",
            "content": content_of_transcripts(),
            "headers": {"ETag": TAG_HEADER},
        },
        **problem_responses("invalid_request", "unauthorized", "not_found", "not_ready", "cancelled"),
    },
)
async def read_transcript(
    job_id: JobId,
    services: ServicesDep,
    key: KeyDep,
    form: Annotated[Format, Query(alias="format", description="The form of the transcript.")] = Format.JSON,
    revision: Annotated[
        str | None,
        Query(
            pattern=f"^({MACHINE}|[1-9][0-9]{{0,8}})$",
            description="`machine`: as it was before any correction; a number: as that revision left it;"
            " absent: as the last one did.",
            examples=[MACHINE, "2"],
        ),
    ] = None,
) -> Response:
    """Before the job has ended: 409 `not_ready`. After it has failed: 409 with the code and message of its error."""
    found = await _read(services, job_id, key.tenant, revision)
    # long transcripts take a while to write out, and nobody else should wait for that
    content = await anyio.to_thread.run_sync(found.to_file, form)
    tag = f"{version_of(found.job, found.revisions)}-{tag_of(content)}"
    headers = {"Content-Disposition": download_of(found.job, form), "ETag": f'"{tag}"'}
    return Response(content, media_type=CONTENT_TYPES[form], headers=headers)


def version_of(job: JobRow, revisions: Sequence[Revision]) -> str:
    """The version of a transcript, with which its tags begin whatever its format: its run and its last revision."""
    return f"{job.run}.{last_of(revisions)}"


def last_of(revisions: Sequence[Revision]) -> int:
    """The number of the last revision, 0 where there is none."""
    return revisions[-1].number if revisions else 0


async def read_result(services: Services, job_id: UUID, tenant: str) -> tuple[JobRow | None, Transcript | None]:
    """A tenant's job, None if there is none, and the machine's transcript, None if it has none."""

    async def read(connection: Connection) -> tuple[JobRow | None, Transcript | None]:
        job = await queries.find(connection, job_id, tenant)
        return job, await queries.transcript(connection, job) if job and job.state == JobState.COMPLETED else None

    # a replica may not have the job or its end yet
    return await services.reading.run(tenant, read, settled=lambda found: found[1] is not None)


async def _read(services: Services, job_id: UUID, tenant: str, wanted: str | None) -> RevisedTranscript:
    """A transcript as a revision left it; raises Rejected."""
    least = await _last(services, job_id, tenant) if wanted is None else 0

    async def read(connection: Connection) -> tuple[JobRow | None, RevisedTranscript | None]:
        job = await queries.find(connection, job_id, tenant)
        if job is None or job.state != JobState.COMPLETED:
            return job, None
        machine = await queries.transcript(connection, job)
        if wanted is None or wanted == MACHINE:
            made = [] if wanted == MACHINE else await revisions_of(connection, job)
            return job, RevisedTranscript(job, machine, made)
        made = await revisions_of(connection, job, int(wanted))
        return job, RevisedTranscript(job, machine, made) if last_of(made) == int(wanted) else None

    # a replica may not have the job, its end or the revision yet
    job, found = await services.reading.run(
        tenant, read, settled=lambda seen: seen[1] is not None and last_of(seen[1].revisions) >= least
    )
    if found is not None:
        return found
    if job is not None and job.state == JobState.COMPLETED:
        raise Rejected("not_found", f"revision {wanted} of the transcript of run {job.run}")
    raise without_transcript(job, job_id)


async def _last(services: Services, job_id: UUID, tenant: str) -> int:
    """The last revision, as the primary knows it: people who have just corrected something look for it."""
    try:
        return await last_revision(services.database, job_id, tenant)
    except Outage:  # a replica may answer still, and nothing is corrected meanwhile
        return 0


def without_transcript(job: JobRow | None, job_id: UUID) -> Rejected:
    """The error for a job that has no transcript, or is not there."""
    match job and job.state:
        case None:
            return Rejected("not_found", f"job {job_id}")
        case JobState.CANCELLED:
            return Rejected("cancelled")
        case JobState.FAILED if job:
            return JobFailed(*failure_of(job))
        case state:
            return Rejected("not_ready", f"its state is {state}")
