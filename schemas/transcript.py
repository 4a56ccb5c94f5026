"""Transcripts as values: words and segments; times are seconds from the beginning."""

from collections.abc import Sequence
from dataclasses import dataclass

WITHOUT_SPACES = frozenset({"zh", "ja", "km", "lo", "my", "th", "yue"})  # words stand without spaces between them


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One spoken word; `text` carries its punctuation and no spaces around it.

    `space_before`: whether a space stands between it and the word before it in the line; None, as in transcripts of
    earlier versions: as its language has it. `language`: only where it is another one than its segment's.
    """

    start: float
    end: float
    text: str
    probability: float | None = None
    speaker: str | None = None
    space_before: bool | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of speech of one speaker; `channel` counts from 0 when channels are split.

    `language`: the one that is spoken, None where nobody looked.
    """

    start: float
    end: float
    text: str
    speaker: str | None = None
    channel: int | None = None
    words: tuple[Word, ...] = ()
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A whole recording: segments in order of their start, and what a reader should know about them.

    `speech`: seconds in which somebody speaks, `uncovered`: those of them that no word covers; None: not measured.
    """

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
        return tuple(dict.fromkeys(s.speaker for s in self.segments if s.speaker is not None))


def joined(words: Sequence[Word], language: str) -> str:
    """The words as a line of text, with spaces where they were heard."""
    return "".join(
        f" {word.text}" if place and has_space_before(word, language) else word.text for place, word in enumerate(words)
    )


def has_space_before(word: Word, language: str) -> bool:
    """Whether a space stands before a word within a line of this language."""
    return language not in WITHOUT_SPACES if word.space_before is None else word.space_before
