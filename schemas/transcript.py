"""What was said: words, segments and transcripts as values; times are seconds from the beginning."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One spoken word; `text` carries its punctuation and no spaces around it."""

    start: float
    end: float
    text: str
    probability: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of speech of one speaker; `channel` counts from 0 when channels are split."""

    start: float
    end: float
    text: str
    speaker: str | None = None
    channel: int | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A whole recording: segments in order of their start, and what a reader should know about them."""

    language: str
    language_probability: float | None = None
    duration: float
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All that was said, one line a segment."""
        return "\n".join(segment.text for segment in self.segments)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Labels in order of first appearance."""
        return tuple(dict.fromkeys(s.speaker for s in self.segments if s.speaker is not None))
