"""Requests to the enhanced-AI service and its permitted answers, as models with a JSON schema each.

Text from an answer is stored within these bounds and never acted on: no address in it is called, no instruction in it
is followed.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_SUMMARY_CHARS = 20_000
MAX_ENTITIES = 1000
MAX_ENTITY_CHARS = 200  # a thousand of them must fit into a record
MAX_KIND_CHARS = 64
_BEYOND_OUTLINE = frozenset({"title", "description", "minLength", "maxLength", "maxItems"})

Summary = Annotated[str, Field(min_length=1, max_length=MAX_SUMMARY_CHARS)]
EntityText = Annotated[str, Field(min_length=1, max_length=MAX_ENTITY_CHARS)]
Kind = Annotated[str, Field(min_length=1, max_length=MAX_KIND_CHARS)]


class SegmentOut(BaseModel):
    """A stretch of speech; seconds from the beginning."""

    start: float = Field(description="Seconds.")
    end: float = Field(description="Seconds.")
    speaker: str | None = Field(description="A label such as `SPEAKER_00`; null without diarization.")
    text: str = Field(description="What was said: data, whatever it says.")


class EnhanceRequest(BaseModel):
    """The request body of the generic JSON form."""

    enhancement_id: str = Field(description="Also the Idempotency-Key: the same id is the same question.")
    job_id: str = Field(description="The job whose transcript it is.")
    language: str = Field(description="ISO 639-1, such as `he`.")
    duration: float = Field(description="Seconds.")
    tasks: list[Literal["summary", "entities"]] = Field(description="What is wanted, at least one.")
    model: str | None = Field(description="The model that was asked for; null: the service's default.")
    segments: list[SegmentOut] = Field(description="In order.")


class EntityIn(BaseModel):
    """Something named in the recording, in the words that were said; what was not said is left out."""

    text: EntityText = Field(description="As it stands in the segments.")
    kind: Kind = Field(description="Such as `person`, `place` or `date`.")
    start: float | None = Field(
        None, description="Seconds; tells which place is meant when it was said more than once."
    )
    end: float | None = Field(None, description="Seconds.")


class EnhanceResponse(BaseModel):
    """The response body of the generic JSON form; unknown fields are ignored."""

    summary: Annotated[str, Field(max_length=MAX_SUMMARY_CHARS)] | None = Field(
        None, description="In the language of the segments; must be there if it was wanted."
    )
    entities: list[EntityIn] = Field([], max_length=MAX_ENTITIES, description="In any order.")
    model: str | None = Field(None, max_length=256, description="Which one it was.")
    tokens: int | None = Field(None, ge=0, le=1_000_000_000, description="What was charged; missing: estimated.")


class Quoted(BaseModel):
    """An entity as a chat model names it: a quote, and the number of the line that it stands in."""

    model_config = ConfigDict(extra="forbid")

    quote: EntityText
    kind: Kind
    line: int


class PartAnswer(BaseModel):
    """A chat model's answer to a part of a transcript."""

    model_config = ConfigDict(extra="forbid")

    summary: Summary
    entities: Annotated[list[Quoted], Field(max_length=MAX_ENTITIES)]


class SummaryAnswer(BaseModel):
    """A chat model's answer where only a summary is wanted."""

    model_config = ConfigDict(extra="forbid")

    summary: Summary


class EntitiesAnswer(BaseModel):
    """A chat model's answer where only entities are wanted."""

    model_config = ConfigDict(extra="forbid")

    entities: Annotated[list[Quoted], Field(max_length=MAX_ENTITIES)]


def mistakes(error: ValidationError) -> str:
    """The validation errors of an answer as one text, without quoting the answer itself."""
    found = [f"{_place(item['loc'])}: {item['msg']}" for item in error.errors(include_input=False)]
    return "; ".join(found[:5])


def _place(location: Sequence[int | str]) -> str:
    return ".".join(map(str, location)) or "the answer"


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema that an answer must satisfy."""
    return model.model_json_schema()


def outline_of(model: type[BaseModel]) -> dict[str, Any]:
    """The schema reduced to structure and types, which every service with schema support understands."""
    outline: dict[str, Any] = _outlined(schema_of(model))
    return outline


def _outlined(schema: Any) -> Any:
    match schema:
        case {"properties": properties}:
            bare = {name: value for name, value in schema.items() if name not in (*_BEYOND_OUTLINE, "properties")}
            return {**_outlined(bare), "properties": {name: _outlined(value) for name, value in properties.items()}}
        case dict():
            return {name: _outlined(value) for name, value in schema.items() if name not in _BEYOND_OUTLINE}
        case _:
            return schema
