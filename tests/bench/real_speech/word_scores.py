"""How far a text is from its reference, and whether a transcript says what the model wrote. Pure but for jiwer's alignment."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import jiwer

from schemas.transcript import WITHOUT_SPACES, Transcript
from tests.summing import Summed

_ASIDE = re.compile(r"\[[^\]]*\]|<[^>]*>|\([^)]*\)")


@dataclass(frozen=True, slots=True)
class WordErrors(Summed):
    """Words that are wrong, of so many; they add up over recordings."""

    words: int = 0
    substituted: int = 0
    deleted: int = 0
    inserted: int = 0

    @property
    def rate(self) -> float | None:
        """Per word of the reference; None where there is none."""
        return (self.substituted + self.deleted + self.inserted) / self.words if self.words else None


def normalized(text: str) -> str:
    """Lower case without signs and without what stands in brackets, as Whisper's authors compare any language.

    Numbers and abbreviations stay as they are written.
    """
    plain = unicodedata.normalize("NFKC", _ASIDE.sub("", text.lower()))
    kept = (" " if unicodedata.category(character)[0] in "MSP" else character for character in plain)
    return " ".join("".join(kept).split())


def word_errors(reference: str, text: str) -> WordErrors:
    """A text against its reference; where nobody speaks, every word is inserted."""
    wanted, found = normalized(reference), normalized(text)
    if not wanted or not found:
        return WordErrors(words=len(wanted.split()), deleted=len(wanted.split()), inserted=len(found.split()))
    aligned = jiwer.process_words(wanted, found)
    return WordErrors(len(wanted.split()), aligned.substitutions, aligned.deletions, aligned.insertions)


@dataclass(frozen=True, slots=True)
class Fidelity:
    """A transcript beside what the model wrote: segments, and those of them with words that were heard again.

    `torn`: words that the model did not write so between two blanks; `foreign`: segments that it did not write.
    """

    segments: int = 0
    heard_again: int = 0
    torn: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


def fidelity(transcript: Transcript, first: Sequence[str], every: Sequence[str]) -> Fidelity:
    """What the model wrote, window by window: at `first`, and `every` one with those that it heard again."""
    again = list((Counter(every) - Counter(first)).elements())
    heard_again, torn, foreign = 0, [], []
    for segment in transcript.segments:
        spaced = (segment.language or transcript.language) not in WITHOUT_SPACES
        text = _line(segment.text, spaced)
        if not text or _holds(first, text, spaced):
            continue
        parts = _parts(text, every, spaced)
        torn += [part for part in parts if spaced and not _holds(every, part, spaced)]
        if all(_holds(every, part, spaced) for part in parts) and any(_holds(again, part, spaced) for part in parts):
            heard_again += 1
        else:
            foreign.append(segment.text)
    return Fidelity(len(transcript.segments), heard_again, tuple(torn), tuple(foreign))


def _parts(text: str, written: Sequence[str], spaced: bool) -> list[str]:
    """The text in the longest stretches that were written so, from its beginning on, and pieces that were not."""
    pieces = text.split(" ") if spaced else list(text)
    parts: list[str] = []
    while pieces:
        count = next((n for n in range(len(pieces), 1, -1) if _holds(written, _glue(pieces[:n], spaced), spaced)), 1)
        parts.append(_glue(pieces[:count], spaced))
        pieces = pieces[count:]
    return parts


def _glue(pieces: Sequence[str], spaced: bool) -> str:
    return (" " if spaced else "").join(pieces)


def _line(text: str, spaced: bool) -> str:
    return _glue(text.split(), spaced)


def _holds(written: Sequence[str], text: str, spaced: bool) -> bool:
    """Whether a text stands in what was written, in one passage or over several that follow each other, word for word."""
    if not spaced:
        return text in "".join(_line(passage, spaced) for passage in written)
    return f" {text} " in f" {_line(' '.join(written), spaced)} "
