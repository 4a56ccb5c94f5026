"""Jobs: their state, progress, history, and what holds them."""

from datetime import datetime
from typing import Any, Literal, TypedDict
from uuid import UUID

from .document import Document

ENDED = frozenset({"completed", "failed", "cancelled"})


class JobOptions(TypedDict, total=False):
    """Options of a transcription; what is left out has the default of the service."""

    job_id: UUID | str
    engine: str
    model: str
    language: str
    task: Literal["transcribe", "translate"]
    diarize: bool
    num_speakers: int
    min_speakers: int
    max_speakers: int
    channels: Literal["auto", "mix", "split"]
    track: int | str
    hotwords: str
    prompt: str
    word_timestamps: bool
    priority: Literal["standard", "express"]
    recording_id: str
    enable_summarization: bool
    enable_entity_extraction: bool
    llm_model: str
    webhook_url: str
    expires_at: datetime | str
    metadata: dict[str, str]


class JobBody(JobOptions, total=False):
    """A job of many: the address of its recording, or its upload, and its options."""

    url: str
    upload_id: UUID | str


class JobFilters(TypedDict, total=False):
    """Filters of a list of jobs; all must fit."""

    state: str | list[str]
    recording_id: str
    since: datetime | str
    until: datetime | str
    name: str
    model: str
    language: str
    priority: Literal["standard", "express"]
    metadata: dict[str, str]
    prefix: str


class JobProgress(Document):
    """Seconds of audio that are done, and of how many; `fraction` is their share, from 0 to 1."""

    done_seconds: float
    total_seconds: float | None
    fraction: float | None


class Estimate(Document):
    """The probable begin and end of a job; `position` among the own waiting jobs, None once it has begun."""

    position: int | None
    starts_at: datetime | None
    ends_at: datetime


class JobFailure(Document):
    """The reason why a job failed; `kind` says whose move it is."""

    kind: str
    code: str
    message: str


class JobResult(Document):
    """The result of a completed job, without the text; times in seconds."""

    language: str | None
    language_probability: float | None
    duration: float | None
    speech: float | None
    uncovered: float | None
    speakers: tuple[str, ...]
    models: tuple[dict[str, Any], ...]
    timings: dict[str, float]
    warnings: tuple[str, ...]


class HistoryLine(Document):
    """A change of a job's state."""

    run: int
    state: str
    at: datetime
    detail: dict[str, Any]


class EnhancementLink(Document):
    """An enhancement that was requested for a job."""

    enhancement_id: UUID
    state: str
    links: dict[str, str]


class Job(Document):
    """A job as it stands; `history` and `enhancements` are those of a job that was read by its id."""

    job_id: UUID
    state: str
    recording_id: str | None
    name: str | None
    run: int
    attempt: int
    source: str
    options: dict[str, Any]
    priority: str
    metadata: dict[str, str]
    webhook_url: str | None
    requested_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None
    cancel_requested_at: datetime | None
    progress: JobProgress
    estimate: Estimate | None = None
    result: JobResult | None
    error: JobFailure | None
    links: dict[str, str]
    history: tuple[HistoryLine, ...] = ()
    enhancements: tuple[EnhancementLink, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether it is completed, failed or cancelled."""
        return self.state in ENDED


class LineOutcome(Document):
    """The outcome of one job of many: `line` counts from 1; `job` if it was accepted, else `problem`."""

    line: int
    status: int
    job: Job | None = None
    problem: dict[str, Any] | None = None
    retry_after: int | None = None


class Wait(Document):
    """A part of a job that is held: by which gate, and since when."""

    subject: str
    id: UUID
    reason: str
    message: str
    since: datetime | None
    next_attempt_at: datetime | None
    ahead: int | None


class Waiting(Document):
    """The state of a job, and all its parts that are held."""

    job_id: UUID
    state: str
    since: datetime | None
    held: bool
    message: str
    waits: tuple[Wait, ...]


class Erasure(Document):
    """The deleted data of a job, and the time after which no copy of it is left."""

    job_id: UUID
    asked_by: str
    asked_at: datetime
    done_at: datetime | None
    rows: dict[str, int]
    objects: int
    last_copy_expires_at: datetime


class Model(Document):
    """A model that jobs may name; no `languages`: all that Whisper knows."""

    name: str
    engine: str
    default: bool
    languages: tuple[str, ...]
    default_language: str | None
    detects_language: bool
    translates: bool
    stand_in: bool
    description: str
