"""All events as frozen dataclasses; the .avsc files beside it define the wire format, and a test keeps both in line."""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID, uuid5

from schemas.transcript import Transcript

_USER = re.compile(r"^((?:[^:/]*:)?//)[^/]*@")


class Task(StrEnum):
    """Tasks of a job: transcription in the spoken language, or translation."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


class Channels(StrEnum):
    """Treatment of channels: separate, mixed, or (`auto`) two separate ones where two people speak in turn."""

    AUTO = "auto"
    MIX = "mix"
    SPLIT = "split"


class Priority(StrEnum):
    """Priorities of jobs, each with a job topic of its own."""

    STANDARD = "standard"
    EXPRESS = "express"


class Outcome(StrEnum):
    """Outcomes of a job or an enhancement."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Stage(StrEnum):
    """Stages of a job in the GPU consumers."""

    TRANSCRIBING = "transcribing"
    DIARIZING = "diarizing"


def event_id(job_id: UUID, kind: str, run: int, subject: str = "") -> UUID:
    """The id of an event: deterministic for each run, so the same however often it is sent."""
    return uuid5(job_id, f"{kind}/{run}/{subject}")


def without_query(uri: str) -> str:
    """The address without query, fragment and user, which may contain signatures, tokens and passwords.

    Never raises, since the text may be unchecked.
    """
    return _USER.sub(r"\1", re.split("[?#]", uri, maxsplit=1)[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The place of a recording: an https://, s3:// or upload:// address; `name` is what its file was called there."""

    uri: str
    sha256: str | None = None
    size_bytes: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a transcription; `model` names a registry entry, null stands for the default one."""

    engine: str = "faster-whisper"
    model: str | None = None
    language: str | None = None
    task: Task = Task.TRANSCRIBE
    diarize: bool = True
    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    channels: Channels = Channels.AUTO
    hotwords: str | None = None
    prompt: str | None = None
    word_timestamps: bool = True
    track: str | None = None
    """Which audio track of the recording is heard: its number, from 1, or its language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancementRequest:
    """The additions that are wanted from the enhanced-AI service."""

    enhancement_id: UUID
    summarization: bool = False
    entity_extraction: bool = False
    llm_model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequested:
    """A recording to transcribe."""

    KIND: ClassVar[str] = "JobRequested"
    job_id: UUID
    run: int = 1
    tenant: str
    recording_id: str | None = None
    source: Source
    options: Options = Options()
    enhancement: EnhancementRequest | None = None
    webhook_url: str | None = None
    priority: Priority = Priority.STANDARD
    requested_at: datetime
    expires_at: datetime | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def event_id(self) -> UUID:
        """The derived event id, so that publishers need not know the rule."""
        return event_id(self.job_id, self.KIND, self.run)

    def without_query(self) -> "JobRequested":
        """The request as it travels inside later events."""
        return replace(self, source=replace(self.source, uri=without_query(self.source.uri)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimCheck:
    """The place of a value that is too large for a record, and its digest."""

    uri: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """The decoded recording; duration in seconds, `sha256` of the recording's bytes."""

    uri: str
    duration: float
    channels: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """The model that did the work."""

    name: str
    digest: str
    compute_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """The reason why a job failed, for the person who submitted it."""

    kind: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptReady:
    """A recording is transcribed and waits for its speakers; exactly one of transcript and claim_check is set."""

    KIND: ClassVar[str] = "TranscriptReady"
    event_id: UUID
    job_id: UUID
    run: int
    tenant: str
    request: JobRequested
    audio: Audio
    transcript: Transcript | None = None
    claim_check: ClaimCheck | None = None
    model: ModelInfo
    timings: dict[str, float] = field(default_factory=dict)
    completed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """The end of a job; a completed one has exactly one of transcript and claim_check, a failed one its error."""

    KIND: ClassVar[str] = "JobResult"
    event_id: UUID
    job_id: UUID
    run: int
    tenant: str
    request: JobRequested
    outcome: Outcome
    audio: Audio | None = None
    transcript: Transcript | None = None
    claim_check: ClaimCheck | None = None
    error: JobError | None = None
    speakers: tuple[str, ...] = ()
    models: tuple[ModelInfo, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    completed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """The progress of a job in audio seconds; `sequence` grows within an attempt."""

    KIND: ClassVar[str] = "JobProgress"
    event_id: UUID
    job_id: UUID
    run: int
    tenant: str
    stage: Stage
    attempt: int
    sequence: int
    done_seconds: float
    total_seconds: float | None = None
    worker: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobControl:
    """An order about a job, up to and including `run`; the only action is `cancel`."""

    KIND: ClassVar[str] = "JobControl"
    job_id: UUID
    run: int
    tenant: str
    action: str = "cancel"
    by: str
    at: datetime

    @property
    def event_id(self) -> UUID:
        """The event id, derived from the order itself."""
        return event_id(self.job_id, self.KIND, self.run, self.action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A thing that is named in a transcript."""

    text: str
    kind: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancementResult:
    """The additions of the enhanced-AI service."""

    KIND: ClassVar[str] = "EnhancementResult"
    event_id: UUID
    job_id: UUID
    run: int
    tenant: str
    enhancement_id: UUID
    outcome: Outcome
    summary: str | None = None
    entities: tuple[Entity, ...] = ()
    model: str | None = None
    tokens: int = 0
    error: JobError | None = None
    completed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantPolicy:
    """The permissions and limits of a tenant; empty lists of hosts and models allow all.

    `enhanced_ai` is its consent that text leaves for the enhanced-AI service; `llm_models` may be asked for there.
    """

    KIND: ClassVar[str] = "TenantPolicy"
    tenant: str
    allowed_hosts: tuple[str, ...] = ()
    allowed_prefixes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    quotas: dict[str, int] = field(default_factory=dict)
    retention_days: dict[str, int] = field(default_factory=dict)
    inline: bool = True
    enhanced_ai: bool = False
    llm_models: tuple[str, ...] = ()
    at: datetime

    @property
    def event_id(self) -> UUID:
        """The event id, derived from tenant and time, as a policy belongs to no job."""
        return uuid5(UUID(int=0), f"{self.KIND}/{self.tenant}/{self.at.isoformat()}")


Event = JobRequested | TranscriptReady | JobResult | JobProgress | JobControl | EnhancementResult | TenantPolicy
EVENTS: tuple[type[Event], ...] = (
    JobRequested,
    TranscriptReady,
    JobResult,
    JobProgress,
    JobControl,
    EnhancementResult,
    TenantPolicy,
)


def key_of(event: Event) -> str:
    """The record key: the tenant for policies, the job id for all else."""
    return event.tenant if isinstance(event, TenantPolicy) else str(event.job_id)


def subject_of(event: Event) -> str:
    """The CloudEvents subject, which is the record key."""
    return key_of(event)
