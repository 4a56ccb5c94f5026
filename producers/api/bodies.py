"""What clients send: the fields of a job, for JSON and for forms alike."""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from schemas import requests as limits
from schemas.enhancing import submitted_id
from schemas.events import Channels, EnhancementRequest, JobRequested, Options, Priority, Source, Task


def _from_json(value: Any) -> Any:
    """Forms carry metadata as JSON text."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError as error:
        raise ValueError(f"is not a JSON object: {error.msg}") from error


Name = Annotated[str, Field(min_length=1, max_length=limits.MAX_ID_CHARS)]
Address = Annotated[str, Field(min_length=1, max_length=limits.MAX_URI_CHARS)]
Count = Annotated[int, Field(ge=1, le=limits.MAX_SPEAKERS)]
NoteName = Annotated[str, Field(min_length=1, max_length=limits.MAX_METADATA_KEY_CHARS)]
Note = Annotated[str, Field(max_length=limits.MAX_METADATA_VALUE_CHARS)]

_EXAMPLE: JsonDict = {
    "url": "https://media.example.com/calls/17.opus",
    "language": "he",
    "diarize": True,
    "num_speakers": 2,
    "recording_id": "call-17",
    "webhook_url": "https://crm.example.com/hooks/transcripts",
    "metadata": {"customer": "42"},
}


class JobFields(BaseModel):
    """How a recording is to be transcribed; unknown fields are an error, so that no misspelt wish is lost."""

    model_config = ConfigDict(extra="forbid")

    job_id: UUID | None = Field(None, description="Your own id: sending the same request again is then harmless.")
    engine: Name = "faster-whisper"
    model: Name | None = Field(None, description="An entry of GET /api/v1/models; the default one if absent.")
    language: Name | None = Field(None, description="Such as `he`; absent: the model's default, or detected.")
    task: Task = Task.TRANSCRIBE
    diarize: bool = Field(True, description="Find out who speaks.")
    num_speakers: Count | None = Field(None, description="How many speak, if known.")
    min_speakers: Count | None = None
    max_speakers: Count | None = None
    channels: Channels = Field(
        Channels.AUTO,
        description="`split`: one speaker a channel; `mix`: all in one; `auto`: split where two speak in turn.",
    )
    hotwords: str | None = Field(None, max_length=limits.MAX_HOTWORDS_CHARS, description="Words to expect.")
    prompt: str | None = Field(
        None, max_length=limits.MAX_PROMPT_CHARS, description="Text that might have come before."
    )
    word_timestamps: bool = True
    priority: Priority = Priority.STANDARD
    recording_id: Name | None = Field(None, description="Your name of the recording, handed through.")
    enable_summarization: bool = Field(False, description="Have the enhanced-AI service summarise the transcript.")
    enable_entity_extraction: bool = Field(False, description="Have it find names, dates and numbers.")
    llm_model: Name | None = Field(None, description="Which of its models; absent: the default one.")
    webhook_url: Address | None = Field(None, description="Gets a signed call when the job ends.")
    expires_at: AwareDatetime | None = Field(None, description="When the result is of no use any more.")
    metadata: Annotated[
        dict[NoteName, Note], Field(max_length=limits.MAX_METADATA_ITEMS), BeforeValidator(_from_json)
    ] = Field(default_factory=dict, description="Your own notes, handed through.")

    def request(self, tenant: str, source: Source, now: datetime) -> JobRequested:
        """The event that asks for it."""
        options = {name: getattr(self, name) for name in Options.__dataclass_fields__}
        job_id = self.job_id or uuid4()
        return JobRequested(
            job_id=job_id,
            tenant=tenant,
            recording_id=self.recording_id,
            source=source,
            options=Options(**options),
            enhancement=self._enhancement(job_id),
            webhook_url=self.webhook_url,
            priority=self.priority,
            requested_at=now,
            expires_at=self.expires_at,
            metadata=self.metadata,
        )

    def _enhancement(self, job_id: UUID) -> EnhancementRequest | None:
        if not (self.enable_summarization or self.enable_entity_extraction or self.llm_model):
            return None
        return EnhancementRequest(
            enhancement_id=submitted_id(job_id),
            summarization=self.enable_summarization,
            entity_extraction=self.enable_entity_extraction,
            llm_model=self.llm_model,
        )


class TranscribeBody(JobFields):
    """A recording that lies somewhere, and how to transcribe it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    url: Address = Field(description="A public https address, or an s3 address under the tenant's prefix.")
