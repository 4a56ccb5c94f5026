"""Transcripts, hits of a search in them, and enhancements; times in seconds from the beginning of the recording."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from .document import Document
from .jobs import EnhancementLink, JobFailure

TranscriptFormat = Literal["json", "txt", "srt", "vtt", "tsv", "docx", "words"]


class Word(Document):
    """One spoken word with its punctuation; `language` only where it is another one than its segment's."""

    start: float
    end: float
    text: str
    probability: float | None = None
    speaker: str | None = None
    space_before: bool | None = None
    language: str | None = None


class Segment(Document):
    """A stretch of speech of one speaker; `channel` counts from 0 when channels are split."""

    start: float
    end: float
    text: str
    speaker: str | None = None
    channel: int | None = None
    words: tuple[Word, ...] = ()
    language: str | None = None


class Transcript(Document):
    """A whole recording in segments; `speech`: seconds in which somebody speaks, `uncovered`: those without words."""

    language: str
    language_probability: float | None = None
    duration: float
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...] = ()
    speech: float | None = None
    uncovered: float | None = None

    @property
    def text(self) -> str:
        """The full text, one line per segment."""
        return "\n".join(segment.text for segment in self.segments)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Labels in order of first appearance."""
        return tuple(dict.fromkeys(segment.speaker for segment in self.segments if segment.speaker is not None))


class Piece(Document):
    """A part of a snippet; `match`: it was searched for."""

    text: str
    match: bool


class Hit(Document):
    """A segment that matches a search; `position` is its place in the transcript, from 0."""

    job_id: UUID
    recording_id: str | None
    name: str | None
    language: str | None
    requested_at: datetime
    position: int
    start: float
    end: float
    speaker: str | None
    snippet: tuple[Piece, ...]
    links: dict[str, str]

    @property
    def text(self) -> str:
        """The snippet as one text."""
        return "".join(piece.text for piece in self.snippet)


class HitPage(Document):
    """A page of hits; `too_common` are words of the search that are too common to be searched for."""

    hits: tuple[Hit, ...]
    next_cursor: str | None
    too_common: tuple[str, ...] = ()


class Entity(Document):
    """A named entity of the recording."""

    text: str
    kind: str
    start: float | None
    end: float | None


class Enhancement(EnhancementLink):
    """The state of an enhancement: a summary, entities, or why there are none."""

    job_id: UUID
    run: int
    enable_summarization: bool
    enable_entity_extraction: bool
    llm_model: str | None
    summary: str | None
    entities: tuple[Entity, ...]
    model: str | None
    tokens: int | None
    error: JobFailure | None
    requested_at: datetime
    completed_at: datetime | None
