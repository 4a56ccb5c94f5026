"""Extents of voices around the words they say, each limited to what no other speaker says. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from schemas.transcript import Word

Extent = tuple[float, float]
"""From when until when, in seconds."""


def apart(words: Sequence[Word], extents: Sequence[Extent]) -> Iterator[Extent]:
    """The extent around each word, cut where a word of another speaker begins or ends.

    Voices overlap where two speak at once, and where a diarizer only hears it so: a reader shall see a word at its time.
    """
    others = {
        speaker: _Others([word for word in words if word.speaker != speaker])
        for speaker in {word.speaker for word in words}
    }
    for word, (start, end) in zip(words, extents, strict=True):
        before, after = others[word.speaker].around(word)
        yield max(start, before), min(end, after)


@dataclass(slots=True)
class _Others:
    """Words of other speakers, by their starts and by their ends."""

    words: Iterable[Word]
    _starts: list[float] = field(init=False)
    _latest: list[float] = field(init=False)  # end of the words up to that start
    _ends: list[float] = field(init=False)
    _earliest: list[float] = field(init=False)  # start of the words from that end on

    def __post_init__(self) -> None:
        by_start, by_end = sorted((w.start, w.end) for w in self.words), sorted((w.end, w.start) for w in self.words)
        self._starts, self._latest = [start for start, _ in by_start], [*accumulate((end for _, end in by_start), max)]
        self._ends = [end for end, _ in by_end]
        self._earliest = [*accumulate((start for _, start in reversed(by_end)), min)][::-1]

    def around(self, word: Word) -> Extent:
        """The free time around a word: since the last that began before it, until the next that ends after it."""
        last, following = bisect_left(self._earliest, word.start) - 1, bisect_right(self._latest, word.end)
        before = min(word.start, self._ends[last]) if last >= 0 else float("-inf")
        after = max(word.end, self._starts[following]) if following < len(self._starts) else float("inf")
        return before, after
