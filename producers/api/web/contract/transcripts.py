"""Transcripts in the OpenAPI document: the schemas of those that are JSON, and an example in each format."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from producers.transcripts.formats import Format
from producers.transcripts.rendering import CONTENT_TYPES, render
from schemas.transcript import Segment, Transcript, Word

TRANSCRIPT = Transcript(
    language="en",
    language_probability=0.98,
    duration=2.5,
    segments=(
        Segment(
            start=0.25,
            end=1.5,
            text="hello anna",
            speaker="SPEAKER_00",
            channel=0,
            words=(Word(start=0.25, end=0.75, text="hello", probability=0.98, speaker="SPEAKER_00"),),
        ),
    ),
)
_TEXT = {"type": "string"}
_WORDS = {
    "description": "All words in order of time, for `format=words`.",
    "type": "object",
    "properties": {
        "language": {"type": "string"},
        "duration": {"type": "number"},
        "words": {"type": "array", "items": {"$ref": "#/components/schemas/Word"}},
    },
    "required": ["language", "duration", "words"],
}


def schemas(reference: str) -> dict[str, Any]:
    """The schemas of a transcript and its parts, by name; `reference` with `{model}` is the location of one."""
    whole = TypeAdapter(Transcript).json_schema(ref_template=reference, mode="serialization")
    return {**whole.pop("$defs"), "Transcript": whole}


def content(forms: Iterable[Format] = Format) -> dict[str, Any]:
    """The media types of an answer in one of these formats."""
    return {CONTENT_TYPES[form]: _media(form) for form in forms if form is not Format.WORDS}


def _media(form: Format) -> dict[str, Any]:
    if form is Format.DOCX:
        return {"schema": {"type": "string", "format": "binary"}}
    if form is not Format.JSON:
        return {"schema": _TEXT, "example": render(TRANSCRIPT, form)}
    shown = {str(kind): {"value": json.loads(render(TRANSCRIPT, kind))} for kind in (Format.JSON, Format.WORDS)}
    return {"schema": {"anyOf": [{"$ref": "#/components/schemas/Transcript"}, _WORDS]}, "examples": shown}
