"""The operation that reads the transcript of a job, in any format."""

from typing import Annotated
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Query, Response

from producers.api.jobs.views import download_of, failure_of, title_of
from producers.api.problems import JobFailed, problem_responses
from producers.api.requests.media_types import StrictRoute
from producers.api.services import KeyDep, Services, ServicesDep
from producers.transcripts.documents import to_file
from producers.transcripts.formats import Format
from producers.transcripts.rendering import CONTENT_TYPES
from schemas.errors import Rejected
from schemas.transcript import Transcript
from schemas.vocabulary.job_states import JobState
from sink.jobs import queries
from sink.jobs.queries import JobRow
from sink.postgres.database import Connection

router = APIRouter(prefix="/api/v1", tags=["jobs"], route_class=StrictRoute)


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
        raise _without_transcript(job) if job else Rejected("not_found", f"job {job_id}")
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


def _without_transcript(job: JobRow) -> Rejected:
    match job.state:
        case JobState.CANCELLED:
            return Rejected("cancelled")
        case JobState.FAILED:
            return JobFailed(*failure_of(job))
        case state:
            return Rejected("not_ready", f"its state is {state}")
