"""Views of a job for clients: its state, progress, result and history."""

import math
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from producers.api.requests.disposition import attachment
from producers.jobs.submit import UPLOAD_SCHEME
from producers.transcripts.formats import Format
from producers.waiting.forecast import Forecast
from schemas.errors import ERRORS
from schemas.events import Outcome
from schemas.models.registry import ModelEntry, ModelRegistry
from schemas.requests.recording_names import recording_name
from schemas.vocabulary.job_states import ENDED, JobState
from schemas.webhooks.payloads import JobFailure
from sink.jobs.queries import JobDetail, JobRow
from sink.jobs.unfinished.backlog import PendingJob

POLL_SECONDS = 2
_STEPS = ((1, 60.0), (5, 600.0), (60, math.inf))
"""The precision of an estimate in seconds, up to how many seconds from now."""


class ProgressView(BaseModel):
    """The progress of a job, in seconds of audio."""

    done_seconds: float = 0.0
    total_seconds: float | None = None
    fraction: float | None = Field(None, ge=0, le=1)


class EstimateView(BaseModel):
    """The probable begin and end of a job, from the work before it and the pace at which the last jobs were done."""

    position: int | None = Field(
        description="Among the waiting jobs of the same priority of your own, from 1; null once it has begun."
    )
    starts_at: datetime | None = Field(description="Null once it has begun.")
    ends_at: datetime


class TranscriptResult(BaseModel):
    """The result of a completed job, without the text."""

    language: str | None
    language_probability: float | None
    duration: float | None = Field(description="Of the recording, in seconds.")
    speech: float | None = Field(description="Seconds in which somebody speaks; null: not measured.")
    uncovered: float | None = Field(
        description="Seconds of speech without words; a warning says so when they are many."
    )
    speakers: list[str]
    models: list[dict[str, Any]]
    timings: dict[str, float]
    warnings: list[str]


class HistoryLine(BaseModel):
    """A change of a job's state."""

    run: int
    state: str
    at: datetime
    detail: dict[str, Any]


class JobSummary(BaseModel):
    """The current state of a job."""

    job_id: UUID
    state: str = Field(examples=[JobState.QUEUED.value])
    recording_id: str | None
    name: str | None = Field(
        description="What the file was called that was uploaded, else the last part of the address.",
        examples=["call-17.opus"],
    )
    run: int
    attempt: int
    source: str = Field(description="The address without its query, where signatures live.")
    options: dict[str, Any]
    priority: str
    metadata: dict[str, str]
    webhook_url: str | None
    requested_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None
    cancel_requested_at: datetime | None = Field(description="When somebody asked for this run to be stopped.")
    progress: ProgressView
    estimate: EstimateView | None = Field(
        None,
        description="Of a job that is read before its end; null when nothing was done lately by which to tell,"
        " or thousands of your own jobs wait before it.",
    )
    result: TranscriptResult | None = None
    error: JobFailure | None = None
    links: dict[str, str]


class EnhancementLink(BaseModel):
    """A requested enhancement, with its state and links."""

    enhancement_id: UUID
    state: str = Field(examples=[Outcome.COMPLETED.value])
    links: dict[str, str]


class JobView(JobSummary):
    """A job with its history and enhancements."""

    history: list[HistoryLine]
    enhancements: list[EnhancementLink]


class ModelView(BaseModel):
    """A model that jobs may name."""

    name: str
    engine: str
    default: bool
    languages: list[str] = Field(description="Empty: all that Whisper knows.")
    default_language: str | None
    detects_language: bool
    translates: bool
    stand_in: bool = Field(description="A small model for tests, not for real speech.")
    description: str


def job_path(job_id: UUID) -> str:
    """The path of a job."""
    return f"/api/v1/jobs/{job_id}"


def enhancement_path(enhancement_id: UUID) -> str:
    """The path of an enhancement."""
    return f"/api/v1/enhanced-ai/{enhancement_id}"


def summary(job: JobRow, forecast: Forecast | None = None) -> JobSummary:
    """A job without its history."""
    return JobSummary(**_fields(job, forecast))


def view(detail: JobDetail, forecast: Forecast | None = None) -> JobView:
    """A job with its history and the enhancements requested later."""
    lines = [HistoryLine(run=line.run, state=line.state, at=line.at, detail=line.detail) for line in detail.history]
    links = [
        EnhancementLink(enhancement_id=enhancement, state=state, links={"self": enhancement_path(enhancement)})
        for enhancement, state in detail.enhancements.items()
    ]
    return JobView(**_fields(detail.job, forecast), history=lines, enhancements=links)


def models(registry: ModelRegistry) -> list[ModelView]:
    """The models that a job may name, the default one first."""
    entries = sorted(registry.transcribers(), key=lambda entry: (entry.name != registry.default, entry.name))
    return [_model(entry, entry.name == registry.default) for entry in entries]


def _fields(job: JobRow, forecast: Forecast | None) -> dict[str, Any]:
    request, path = job.request, job_path(job.job_id)
    completed = job.state == JobState.COMPLETED
    return {
        "job_id": job.job_id,
        "state": job.state,
        "recording_id": request["recording_id"],
        "name": name_of(job),
        "run": job.run,
        "attempt": job.attempt,
        "source": request["source"]["uri"],
        "options": request["options"],
        "priority": request["priority"],
        "metadata": request["metadata"],
        "webhook_url": request["webhook_url"],
        "requested_at": job.requested_at,
        "updated_at": job.updated_at,
        "completed_at": job.completed_at,
        "expires_at": request["expires_at"],
        "cancel_requested_at": job.cancel_requested_at if job.cancelled_run >= job.run else None,
        "progress": _progress(job),
        "estimate": _estimate(job, forecast),
        "result": TranscriptResult(**{name: getattr(job, name) for name in TranscriptResult.model_fields})
        if completed
        else None,
        "error": job.error or None,
        "links": _links(job, path),
    }


def _estimate(job: JobRow, forecast: Forecast | None) -> EstimateView | None:
    if forecast is None or job.state in ENDED:
        return None
    found = forecast.estimate(PendingJob.of_row(job))
    if found is None:
        return None
    starts_at = None if found.starts_at is None else _coarse(found.starts_at, forecast.now)
    return EstimateView(position=found.position, starts_at=starts_at, ends_at=_coarse(found.ends_at, forecast.now))


def _coarse(at: datetime, now: datetime) -> datetime:
    """A time without digits that it does not have, so that an answer changes, and its ETag, only when the estimate does."""
    left = (at - now).total_seconds()
    step = next(step for step, most in _STEPS if left < most)
    return datetime.fromtimestamp(math.ceil(at.timestamp() / step) * step, UTC)


def _links(job: JobRow, path: str) -> dict[str, str]:
    links = {"self": path}
    if job.state == JobState.COMPLETED:
        links |= {"transcript": f"{path}/transcript", "revisions": f"{path}/revisions"}
    if job.request["source"]["uri"].startswith(UPLOAD_SCHEME):
        links["audio"] = f"{path}/audio"
    return links


def name_of(job: JobRow) -> str | None:
    """The display name of a job's recording."""
    source = job.request["source"]
    return recording_name(source["uri"], source.get("name"))


def download_of(job: JobRow, form: Format) -> str:
    """The Content-Disposition of a job's transcript, with the file name of its recording."""
    return attachment(title_of(job), form.extension)


def title_of(job: JobRow) -> str:
    """The title of a job's transcript: the name of its recording, else an id."""
    return name_of(job) or job.request["recording_id"] or str(job.job_id)


def _progress(job: JobRow) -> ProgressView:
    if job.state == JobState.COMPLETED:
        return ProgressView(done_seconds=job.duration or 0.0, total_seconds=job.duration, fraction=1.0)
    done, total = job.done_seconds or 0.0, job.total_seconds
    return ProgressView(
        done_seconds=done, total_seconds=total, fraction=min(1.0, max(0.0, done / total)) if total else None
    )


def _model(entry: ModelEntry, default: bool) -> ModelView:
    return ModelView(
        name=entry.name,
        engine=entry.engine,
        default=default,
        languages=list(entry.languages),
        default_language=entry.default_language,
        detects_language=entry.detects_language,
        translates=entry.translates,
        stand_in=entry.stand_in,
        description=entry.description,
    )


def failure_of(job: JobRow) -> tuple[str, str]:
    """Code and message of a failed job; a code of a later version becomes `internal`."""
    error = job.error or {}
    code = str(error.get("code", "internal"))
    return (code if code in ERRORS else "internal"), str(error.get("message", ""))
