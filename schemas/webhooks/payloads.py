"""The shapes of webhooks: what is built is typed by them, what is documented is their schema.

Values are as they stand in JSON. A name that may be missing is NotRequired; nothing is ever sent that is not here.
"""

from datetime import UTC, datetime
from typing import (
    Annotated,
    Literal,
    NotRequired,  # the one that pydantic reads before Python 3.12
)
from uuid import UUID

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from schemas.webhooks.event_types import EnhancementType, JobType


def _checked_id(text: str) -> str:
    UUID(text)
    return text


def _checked_time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Id = Annotated[str, AfterValidator(_checked_id), Field(json_schema_extra={"format": "uuid"})]
Time = Annotated[str, AfterValidator(_checked_time), Field(json_schema_extra={"format": "date-time"})]
JobOutcome = Literal["completed", "failed", "cancelled"]
EnhancementOutcome = Literal["completed", "failed"]


class JobFailure(TypedDict):
    """The reason why a job failed; `kind` says whose move it is."""

    kind: str
    code: str
    message: str


class SaidSegment(TypedDict):
    """A stretch of speech without a pause; seconds from the beginning of the recording."""

    start: float
    end: float
    speaker: Annotated[str | None, Field(description="A label such as `SPEAKER_00`; null without diarization.")]
    channel: int | None
    text: str


class FoundEntity(TypedDict):
    """A thing that is named in the recording; seconds from its beginning."""

    text: str
    kind: str
    start: float | None
    end: float | None


class JobData(TypedDict):
    """The end of a job; a transcript that would make the webhook 20 KB or more stays behind `transcript_url`."""

    job_id: Id
    run: Annotated[int, Field(description="1, and one more each time that the job is done again.")]
    tenant: str
    recording_id: str | None
    name: Annotated[str | None, Field(description="Of the file that was uploaded, else the last part of the address.")]
    outcome: JobOutcome
    error: Annotated[JobFailure | None, Field(description="Why it failed.")]
    language: str | None
    duration: Annotated[float | None, Field(description="Of the recording, in seconds.")]
    speakers: list[str]
    transcript_url: Annotated[str | None, Field(description="Of a completed job; needs your X-API-Key.")]
    text: NotRequired[Annotated[str, Field(description="The whole transcript, missing when it is long.")]]
    segments: NotRequired[Annotated[list[SaidSegment], Field(description="Missing earlier than `text`.")]]


class EnhancementData(TypedDict):
    """The end of an enhancement; what would make the webhook 20 KB or more stays behind `enhancement_url`."""

    enhancement_id: Id
    job_id: Id
    run: Annotated[int, Field(description="That of its job.")]
    tenant: str
    outcome: EnhancementOutcome
    error: Annotated[JobFailure | None, Field(description="Why it failed.")]
    model: Annotated[str | None, Field(description="The model that did the work.")]
    tokens: Annotated[int, Field(description="What it cost.")]
    enhancement_url: Annotated[str, Field(description="Needs your X-API-Key.")]
    summary: NotRequired[
        Annotated[str | None, Field(description="Null when none was asked for; missing when it is long.")]
    ]
    entities: NotRequired[Annotated[list[FoundEntity], Field(description="Missing earlier than `summary`.")]]


class TestData(TypedDict):
    """A test tells of nothing that happened."""

    tenant: str
    endpoint_id: Id


class Envelope(TypedDict):
    """One envelope for all: look at `type` first."""

    timestamp: Annotated[Time, Field(description="When it happened; the header has the time of the attempt.")]
    sequence: NotRequired[Annotated[int, Field(description="Its order number among those of the endpoint.")]]


class JobWebhook(Envelope):
    """A job has ended, and its result can be read."""

    type: JobType
    data: JobData


class EnhancementWebhook(Envelope):
    """An enhancement has ended, and can be read."""

    type: EnhancementType
    data: EnhancementData


class TestWebhook(Envelope):
    """Somebody asked for a test."""

    type: Literal["webhook.test"]
    data: TestData


Webhook = JobWebhook | EnhancementWebhook | TestWebhook


def time_text(at: datetime) -> str:
    """A time as webhooks have it: UTC, with a Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
