"""Where in a recording a quote was said: found in the transcript's own words, never taken from a model."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from schemas.events import Entity
from schemas.transcript import Segment, Word
from sink.enhanced_ai.shapes import Quoted

_NEAR = 2  # lines around the one that was named


def entities_of(quotes: Iterable[Quoted], segments: Sequence[Segment]) -> tuple[Entity, ...]:
    """The quotes that occur in the transcript, in its own spelling and with its own times; each once."""
    found = (_entity(quote, segments) for quote in quotes)
    return tuple(dict.fromkeys(entity for entity in found if entity is not None))


def _entity(quote: Quoted, segments: Sequence[Segment]) -> Entity | None:
    wanted = _plain_words(quote.quote)
    if not wanted:
        return None
    for number in _places(quote.line, len(segments)):
        if entity := _in_segment(wanted, quote.kind.strip().lower(), segments[number]):
            return entity
    return None


def _places(line: int, count: int) -> Iterator[int]:
    """The named line first, then those around it, then all others."""
    near = [n for n in range(line - _NEAR, line + _NEAR + 1) if 0 <= n < count]
    near.sort(key=lambda n: abs(n - line))
    yield from near
    yield from (n for n in range(count) if n not in near)


def _in_segment(wanted: tuple[str, ...], kind: str, segment: Segment) -> Entity | None:
    words = segment.words or tuple(Word(start=segment.start, end=segment.end, text=t) for t in segment.text.split())
    spoken = [(plain, place) for place, word in enumerate(words) for plain in _plain_words(word.text)]
    plain = [text for text, _ in spoken]
    for begin in range(len(spoken) - len(wanted) + 1):
        if tuple(plain[begin : begin + len(wanted)]) == wanted:
            said = words[spoken[begin][1] : spoken[begin + len(wanted) - 1][1] + 1]
            text = " ".join(word.text for word in said).strip(" .,;:!?\"'()")
            return Entity(text=text, kind=kind, start=said[0].start, end=said[-1].end)
    return None


def _plain_words(text: str) -> tuple[str, ...]:
    """The words without case, accents, vowel signs and punctuation."""
    bare = (c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    spaced = "".join(c if c.isalnum() else " " if not _joins(c) else "" for c in bare)
    return tuple(spaced.split())


def _joins(letter: str) -> bool:
    return letter in "'’׳\"״"
