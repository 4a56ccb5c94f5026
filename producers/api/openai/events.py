"""The server-sent events of a streamed transcription. Pure."""

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel

from producers.api.openai.answers import AudioUsage, SpokenSegment, pieces, segment_id, spoken, text_of, usage
from producers.api.openai.errors import OpenAIError
from schemas.transcript import Transcript

WAITING = b": waiting\n\n"
"""A comment, which clients ignore: it shows them, and whatever lies between, that the connection is alive."""


class TextDelta(BaseModel):
    """The text of one segment; `segment_id` only with speakers."""

    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: str
    segment_id: str | None = None


class TextDone(BaseModel):
    """The whole text."""

    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: str
    usage: AudioUsage


def events(transcript: Transcript, *, diarizes: bool) -> Iterator[bytes]:
    """All events of a transcript: each segment, with its speaker where that is wanted, then the whole text."""
    segments = spoken(transcript) if diarizes else None
    for number, text in enumerate(pieces(transcript)):
        yield _event(TextDelta(delta=text, segment_id=segment_id(number) if diarizes else None))
        if segments is not None:
            yield _event(next(segments))
    yield _event(TextDone(text=text_of(transcript), usage=usage(transcript)))


def error_event(error: OpenAIError) -> bytes:
    """The event of an error, after which there are no more."""
    return _written("error", error.model_dump_json())


def _event(content: TextDelta | SpokenSegment | TextDone) -> bytes:
    return _written(content.type, content.model_dump_json(exclude_none=True))


def _written(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()
