"""The ends of jobs as answers to requests that wait for them."""

from http import HTTPStatus

import anyio.to_thread

from producers.api.jobs.results.transcripts import read_result
from producers.api.jobs.views import failure_of, job_path
from producers.api.openai.accepting import Asked
from producers.api.openai.answers import answer
from producers.api.problems import Worded
from producers.api.services import Services
from schemas.errors import ERRORS, Permanent, Rejected
from schemas.transcript import Transcript
from schemas.vocabulary.job_states import JobState
from sink.jobs.queries import JobRow

NEVER_AGAIN = {"X-Should-Retry": "false"}
"""What tells the official clients not to send a request again, whatever its status: its job has ended."""


class AboutJob(Worded):
    """Error: a job was accepted and has no transcript, or none yet; the headers name the job."""

    def __init__(self, code: str, detail: str, headers: dict[str, str], status: int | None = None) -> None:
        self.headers = headers
        self.status = status or ERRORS[code].status
        super().__init__(code, detail)


async def has_ended(services: Services, asked: Asked, seconds: float) -> bool:
    """Whether a job ends within so many seconds; raises AboutJob when this process ends before."""
    try:
        return await services.ends.ended(services.database, asked.job_id, seconds)
    except Rejected as error:
        raise AboutJob(error.code, error.message, asked.headers) from error


async def transcript_of(services: Services, asked: Asked) -> Transcript:
    """The transcript of a job that has ended; raises AboutJob with the job's own error where there is none."""
    async with services.ends.reading:
        job, transcript = await read_result(services, asked.job_id, asked.tenant)
    if transcript is None:
        raise _without_transcript(job, asked)
    return transcript


async def rendered(asked: Asked, transcript: Transcript) -> tuple[str, str]:
    """The body of an answer, and its media type."""
    form = asked.form
    # long transcripts take a while to write out, and nobody else should wait for that
    return await anyio.to_thread.run_sync(
        answer, transcript, form.response_format, asked.task, form.timestamp_granularities
    )


def still_running(asked: Asked, seconds: float) -> AboutJob:
    """The error for a request that has waited as long as it may."""
    detail = (
        f"Job {asked.job_id} has not ended within {seconds:g} s and goes on. Send the same request again to wait on for it,"
        f" or see GET {job_path(asked.job_id)}."
    )
    return AboutJob("not_ready", detail, asked.headers, HTTPStatus.GATEWAY_TIMEOUT)


def _without_transcript(job: JobRow | None, asked: Asked) -> AboutJob:
    headers = asked.headers | NEVER_AGAIN
    if job is None:
        return AboutJob("not_found", f"Job {asked.job_id} was erased.", headers)
    match job.state:
        case JobState.FAILED:
            return AboutJob(*failure_of(job), headers)
        case JobState.CANCELLED:
            return AboutJob("cancelled", Permanent("cancelled").message, headers)
        case _:  # it was begun anew by an operator in this moment
            return AboutJob("not_ready", Permanent("not_ready").message, asked.headers, HTTPStatus.SERVICE_UNAVAILABLE)
