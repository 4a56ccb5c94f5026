"""The forms of OpenAI's audio operations, and the options of a job that they stand for."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from producers.api.jobs.bodies import written_flag
from producers.api.requests.multipart import FILE_FIELD, MultipartForm
from producers.inputs.validation_errors import invalid
from schemas.events import Options, Task
from schemas.models.registry import ModelRegistry
from schemas.requests import limits

ALIAS = "whisper-1"
"""A name that stands for the default model, which is of the family that it names.

Other names of OpenAI stand for nothing, as those are models that are not here.
"""
_GRANULARITIES = "timestamp_granularities"
LISTS = (_GRANULARITIES, f"{_GRANULARITIES}[]")  # the second is how the official clients write it


class ResponseFormat(StrEnum):
    """The forms of a transcript that OpenAI's interface has."""

    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VERBOSE_JSON = "verbose_json"
    VTT = "vtt"
    DIARIZED_JSON = "diarized_json"


class Granularity(StrEnum):
    """A kind of item that has times in a verbose answer."""

    WORD = "word"
    SEGMENT = "segment"


_OF_TRANSLATIONS = [str(form) for form in ResponseFormat if form is not ResponseFormat.DIARIZED_JSON]


def _of_translation(form: ResponseFormat) -> ResponseFormat:
    if str(form) not in _OF_TRANSLATIONS:
        raise ValueError(f"must be one of {', '.join(_OF_TRANSLATIONS)}")
    return form


class TranscriptionForm(BaseModel):
    """The fields of a transcription; those that nobody knows are ignored, since there are always new ones."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = Field(None, description=f"One of GET /v1/models; `{ALIAS}` or absent: the default one.")
    language: str | None = Field(None, description="Such as `he`; absent: the model's default, or detected.")
    prompt: str | None = Field(
        None, max_length=limits.MAX_PROMPT_CHARS, description="Text that might have come before."
    )
    temperature: float | None = Field(None, ge=0, le=1, description="Checked and not used: the engine chooses its own.")
    response_format: ResponseFormat = Field(
        ResponseFormat.JSON, description="Who speaks is found out for `diarized_json` alone."
    )
    stream: Annotated[bool, BeforeValidator(written_flag)] = Field(
        False, description="Server-sent events: the text of each segment, then all of it, when the job has ended."
    )
    timestamp_granularities: list[Granularity] = Field(
        [Granularity.SEGMENT], description="What `verbose_json` lists; as `timestamp_granularities[]` too."
    )

    @property
    def diarizes(self) -> bool:
        """Whether the answer says who speaks."""
        return self.response_format is ResponseFormat.DIARIZED_JSON

    def options(self, task: Task, registry: ModelRegistry) -> Options:
        """The options of the job."""
        default = self.model is None or (self.model == ALIAS and ALIAS not in registry.models)
        return Options(
            model=None if default else self.model,
            language=self.language,
            task=task,
            diarize=self.diarizes,
            prompt=self.prompt,
        )


class TranslationForm(TranscriptionForm):
    """The fields of a translation."""

    response_format: Annotated[
        ResponseFormat, AfterValidator(_of_translation), WithJsonSchema({"type": "string", "enum": _OF_TRANSLATIONS})
    ] = ResponseFormat.JSON


def read_form(form: MultipartForm, kind: type[TranscriptionForm]) -> TranscriptionForm:
    """The fields of a complete form; raises Rejected(invalid_request)."""
    # forms have no null: an empty field is one that was left out
    given: dict[str, Any] = {name: value for name, value in form.fields.items() if value != ""}
    if listed := [value for name in LISTS for value in form.lists.get(name, ())]:
        given[_GRANULARITIES] = listed
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise invalid(error, kind) from error


def form_schema(kind: type[TranscriptionForm]) -> dict[str, Any]:
    """The schema of a form with its file, for the OpenAPI document."""
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    listed = schema["properties"][_GRANULARITIES]
    listed["items"] = {name: value for name, value in definitions["Granularity"].items() if name in ("type", "enum")}
    found = schema["properties"]["response_format"]
    if "$ref" in found:
        del found["$ref"]
        found |= {"type": "string", "enum": [str(form) for form in ResponseFormat]}
    schema["properties"][FILE_FIELD] = {"type": "string", "format": "binary", "description": "The recording."}
    schema["required"] = [FILE_FIELD]
    return schema
