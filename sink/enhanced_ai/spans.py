"""Positions of quotes in a recording, found in the transcript's own words and never taken from a service."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

from schemas.events import Entity
from schemas.transcript import WITHOUT_SPACES, Segment, Transcript, Word, joined
from sink.enhanced_ai.shapes import MAX_ENTITIES

# "in", "and", "the" and their like are written together with the word that follows
_PREFIXED = re.compile("[א-ת]")
_PREFIXES = "[משהוכלב]{0,3}"
_ROUND_IT = " .,;:!?\"'()[]«»„“”…"
_JOINING = frozenset("'’׳\"״")
_NO_KIND = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Quote:
    """Words quoted by a service, their kind and approximate time; seconds, None if the service gave no time."""

    text: str
    kind: str
    near: tuple[float, float] | None = None


def entities_of(quotes: Iterable[Quote], transcript: Transcript) -> tuple[Entity, ...]:
    """The quotes that occur in the transcript, in its own spelling and with its own times.

    Each once, in order of appearance, the first 1000. Of several places the one closest to `near` counts.
    """
    spoken = _Spoken(transcript)
    found = {entity for quote in quotes if (entity := spoken.entity(quote)) is not None}
    return tuple(sorted(found, key=lambda e: (e.start, e.end, e.kind, e.text))[:MAX_ENTITIES])


@dataclass(frozen=True, slots=True)
class _Said:
    """Words at their position in a recording; seconds."""

    text: str
    start: float
    end: float

    def distance(self, near: tuple[float, float] | None) -> float:
        """Seconds between the time at which the words were said and the expected time."""
        return 0.0 if near is None else max(0.0, self.start - near[1], near[0] - self.end)


class _Spoken:
    """All words of a transcript as one normalized text, and the position of each word in it."""

    def __init__(self, transcript: Transcript) -> None:
        self._language = transcript.language
        self._joint = "" if transcript.language in WITHOUT_SPACES else " "
        self._words = [word for segment in transcript.segments for word in _words_of(segment)]
        plain = [(text, place) for place, word in enumerate(self._words) for text in _plain(word.text)]
        self._places = [place for _, place in plain]
        self._begins = list(accumulate((len(text) + len(self._joint) for text, _ in plain), initial=len(self._joint)))
        self._text = self._joint + "".join(text + self._joint for text, _ in plain)
        self._said: dict[str, list[_Said]] = {}

    def entity(self, quote: Quote) -> Entity | None:
        """The quote as an entity with its times; None if it does not occur in the transcript."""
        wanted = self._joint.join(_plain(quote.text))
        if wanted not in self._said:  # names come again and again in hours of speech
            self._said[wanted] = [self._said_at(begin, end) for begin, end in self._found(wanted)]
        found = min(self._said[wanted], key=lambda said: said.distance(quote.near), default=None)
        return (
            None if found is None else Entity(text=found.text, kind=_kind(quote.kind), start=found.start, end=found.end)
        )

    def _found(self, wanted: str) -> Iterator[tuple[int, int]]:
        """Positions at which the wanted text matches whole words, as begin and end in the normalized text."""
        if not wanted or wanted not in self._text:
            return
        prefixes = _PREFIXES if _PREFIXED.match(wanted) else ""
        whole = f"{self._joint}{prefixes}({re.escape(wanted)})(?={self._joint})"
        yield from (match.span(1) for match in re.finditer(whole, self._text))

    def _said_at(self, begin: int, end: int) -> _Said:
        """The words in a range of the normalized text."""
        words = self._words[self._place(begin) : self._place(end - 1) + 1]
        first = replace(words[0], text=_without(words[0].text, self._prefix(begin)))
        text = joined((first, *words[1:]), self._language)
        return _Said(text.strip(_ROUND_IT), min(word.start for word in words), max(word.end for word in words))

    def _place(self, offset: int) -> int:
        """The word at a position of the normalized text."""
        return self._places[bisect_right(self._begins, offset) - 1]

    def _prefix(self, offset: int) -> int:
        """The number of letters of the first word that precede a position of the normalized text."""
        number = bisect_right(self._begins, offset) - 1
        opens = number == 0 or self._places[number - 1] != self._places[number]
        return offset - self._begins[number] if opens and self._joint else 0


def _words_of(segment: Segment) -> Iterable[Word]:
    """The words of a segment; words without times of their own get the segment's times."""
    return segment.words or (Word(start=segment.start, end=segment.end, text=text) for text in segment.text.split())


def _plain(text: str) -> list[str]:
    """The words without case, accents, vowel signs and punctuation."""
    bare = (c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return "".join(c if c.isalnum() else "" if c in _JOINING else " " for c in bare).split()


def _without(text: str, letters: int) -> str:
    """A word without so many of its first letters."""
    passed = 0
    for place, character in enumerate(text):
        if passed == letters and not unicodedata.combining(character):
            return text[place:]
        passed += character.isalnum()
    return text


def _kind(text: str) -> str:
    return _NO_KIND.sub("_", text.lower()).strip("_") or "other"
