"""Request bodies of jobs: their fields, for JSON and for forms alike."""

import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator
from pydantic.config import JsonDict

from producers.inputs.strict_json import read_json
from schemas.events import Channels, EnhancementRequest, JobRequested, Options, Priority, Source, Task
from schemas.requests import limits as limits
from schemas.tenants.enhancement_consent import submitted_id

# pydantic's own words for most of what is wrong behind the date: "unexpected extra characters at the end of the input"
_WRITTEN_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ](?P<hour>\d{2}):(?P<minute>\d{2})(:(?P<second>\d{2})([.,]\d+)?)?"
    r"([Zz]|[+-](?P<hour_offset>\d{2}):?(?P<minute_offset>\d{2}))?",
    re.ASCII,
)
_MOST = {"hour": 23, "minute": 59, "second": 59, "hour_offset": 23, "minute_offset": 59}

_WRITTEN_NUMBER = re.compile(r"-?[0-9]{1,18}")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def written_time(value: Any) -> Any:
    """A time in the required notation: a number could be seconds or milliseconds of one clock or another."""
    found = _WRITTEN_TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be written as a time with its offset, such as 2030-01-31T12:00:00Z")
    for name, most in _MOST.items():
        if int(found[name] or 0) > most:
            raise ValueError(f"its {name.replace('_', ' of the ')} must be at most {most}, not {found[name]}")
    return value


def _track_text(value: Any) -> Any:
    """A track as text: its number (a number in JSON, text in forms) or its language (text in both)."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(limits.TRACK_FORM)
    return str(value)


def written_number(value: Any) -> Any:
    """A whole number given as text: digits only, without the other notations that Python accepts."""
    if not isinstance(value, str):
        return value
    if not _WRITTEN_NUMBER.fullmatch(value):
        raise ValueError("must be a whole number, in digits")
    return int(value)


def written_flag(value: Any) -> Any:
    """A boolean given as text."""
    if not isinstance(value, str):
        return value
    if (flag := _FLAGS.get(value.lower())) is None:
        raise ValueError("must be true or false")
    return flag


def _from_json(value: str) -> Any:
    """The JSON text of a form's metadata; raises Rejected with the faulty places, which pydantic passes on."""
    return read_json(value.encode(errors="surrogatepass"), ("metadata",))


class Body(BaseModel):
    """Base of request bodies: strictly typed, and unknown fields are an error, so that no misspelt option is lost.

    Forms and command lines, where all values are text, are read with `model_validate_strings`.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


# what JSON has no type of its own for
Id = Annotated[UUID, Field(strict=False)]
Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(written_time)]
_TaskName = Annotated[Task, Field(strict=False)]
_ChannelsName = Annotated[Channels, Field(strict=False)]
PriorityName = Annotated[Priority, Field(strict=False)]
_TrackName = Annotated[
    str,
    BeforeValidator(_track_text),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "maxLength": limits.MAX_TRACK_CHARS}]}
    ),
]
Name = Annotated[str, Field(min_length=1, max_length=limits.MAX_ID_CHARS)]
Address = Annotated[str, Field(min_length=1, max_length=limits.MAX_URI_CHARS)]
Count = Annotated[int, Field(ge=1, le=limits.MAX_SPEAKERS)]
NoteName = Annotated[str, Field(min_length=1, max_length=limits.MAX_METADATA_KEY_CHARS)]
Note = Annotated[str, Field(max_length=limits.MAX_METADATA_VALUE_CHARS)]
Notes = Annotated[dict[NoteName, Note], Field(max_length=limits.MAX_METADATA_ITEMS)]

_EXAMPLE: JsonDict = {
    "url": "https://media.example.com/calls/17.opus",
    "language": "he",
    "diarize": True,
    "num_speakers": 2,
    "recording_id": "call-17",
    "webhook_url": "https://crm.example.com/hooks/transcripts",
    "metadata": {"customer": "42"},
}


class JobFields(Body):
    """Options for the transcription of a recording."""

    job_id: Id | None = Field(None, description="Your own id: sending the same request again is then harmless.")
    engine: Name = "faster-whisper"
    model: Name | None = Field(None, description="An entry of GET /api/v1/models; the default one if absent.")
    language: Name | None = Field(None, description="Such as `he`; absent: the model's default, or detected.")
    task: _TaskName = Task.TRANSCRIBE
    diarize: bool = Field(True, description="Find out who speaks.")
    num_speakers: Count | None = Field(None, description="How many speak, if known.")
    min_speakers: Count | None = None
    max_speakers: Count | None = None
    channels: _ChannelsName = Field(
        Channels.AUTO,
        description="`split`: one speaker a channel; `mix`: all in one; `auto`: split where two speak in turn.",
    )
    track: _TrackName | None = Field(
        None,
        description="Which audio track is heard: its number, from 1, or its language, such as `he`;"
        " absent: the default one if it has sound, else the one with most.",
    )
    hotwords: str | None = Field(None, max_length=limits.MAX_HOTWORDS_CHARS, description="Words to expect.")
    prompt: str | None = Field(
        None, max_length=limits.MAX_PROMPT_CHARS, description="Text that might have come before."
    )
    word_timestamps: bool = True
    priority: PriorityName = Priority.STANDARD
    recording_id: Name | None = Field(None, description="Your name of the recording, handed through.")
    enable_summarization: bool = Field(False, description="Have the enhanced-AI service summarise the transcript.")
    enable_entity_extraction: bool = Field(False, description="Have it find names, dates and numbers.")
    llm_model: Name | None = Field(None, description="Which of its models; absent: the default one.")
    webhook_url: Address | None = Field(None, description="Gets a signed call when the job ends.")
    expires_at: Time | None = Field(None, description="When the result is of no use any more.")
    metadata: Notes = Field(default_factory=dict, description="Your own notes, handed through.")

    def request(self, tenant: str, source: Source, now: datetime, job_id: UUID | None = None) -> JobRequested:
        """The event that requests the transcription; `job_id` is used where the body has none."""
        options = {name: getattr(self, name) for name in Options.__dataclass_fields__}
        job_id = self.job_id or job_id or uuid4()
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
    """The address of a recording, or an upload of it, and the options for its transcription."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    url: Address | None = Field(
        None, description="A public https address, or an s3 address under the tenant's prefix; or `upload_id`."
    )
    upload_id: Id | None = Field(None, description="Of an upload in pieces, or a presigned one, that has come whole.")


class UploadFields(JobFields):
    """The options as form fields, which are text."""

    metadata: Annotated[Notes, BeforeValidator(_from_json)] = Field(
        default_factory=dict, description="Your own notes as a JSON object."
    )

    _numbers = field_validator("num_speakers", "min_speakers", "max_speakers", mode="before")(written_number)
    _flags = field_validator(
        "diarize", "word_timestamps", "enable_summarization", "enable_entity_extraction", mode="before"
    )(written_flag)
