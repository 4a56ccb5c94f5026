"""Dead letters by pages, the newest first: partitions are read from their ends backwards, a bounded part at a time."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from math import inf
from typing import Any

from producers.kafka.topic_history import TopicHistory
from producers.replay.dead_letters import DLQS, DeadLetterFilter, facts, letter_of
from schemas.wire.headers import Origin
from schemas.wire.serde import Serde

Place = tuple[str, int]
Ends = Mapping[Place, int]
"""By partition the offset below which nothing was read yet; without those in which all was read."""
WINDOWS = (32, 1)  # records of a partition that are read together, and where they are large
MOST_BYTES = 32_000_000  # that are read together
MOST_SECONDS = 5.0  # after which a page is as it is


@dataclass(frozen=True, slots=True)
class FoundLetter:
    """A dead letter without its contents; `facts` is None for one that does not match."""

    place: Origin
    at: datetime
    facts: Mapping[str, Any] | None


@dataclass(slots=True)
class Backwards:
    """Partitions that are read backwards, from `ends` down to `lows`. Pure."""

    lows: Mapping[Place, int]
    ends: dict[Place, int]

    @property
    def left(self) -> Ends:
        """The partitions in which something is left."""
        return {place: end for place, end in self.ends.items() if end > self.lows[place]}

    def windows(self, size: int) -> dict[Place, tuple[int, int]]:
        """The next offsets of each partition, `size` at most: the first one, and the end."""
        return {place: (max(self.lows[place], end - size), end) for place, end in self.left.items()}

    def take(
        self, windows: Mapping[Place, tuple[int, int]], found: Mapping[Place, Sequence[FoundLetter]]
    ) -> Iterator[FoundLetter]:
        """The records of windows, the newest first, for as long as none that was not read may be newer.

        What was taken is read, and so are the windows of partitions in which nothing is left to take.
        """
        waiting = {place: list(found.get(place, ())) for place in windows}
        while True:
            for place, (first, _) in windows.items():
                if not waiting[place]:
                    self.ends[place] = first
            if any(not waiting[place] and first > self.lows[place] for place, (first, _) in windows.items()):
                return
            newest = max((records[-1] for records in waiting.values() if records), key=lambda x: x.at, default=None)
            if newest is None:
                return
            place = newest.place.topic, newest.place.partition
            waiting[place].pop()
            self.ends[place] = newest.place.offset
            yield newest


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Dead letters, the newest first; the next page begins at `ends`, which is empty at the last."""

    letters: tuple[FoundLetter, ...]
    ends: Ends


def read_page(
    history: TopicHistory,
    serde: Serde,
    wanted: DeadLetterFilter,
    limit: int,
    before: Ends | None = None,
    topics: Mapping[str, str] = DLQS,
    seconds: float = MOST_SECONDS,
) -> LetterPage:
    """Up to `limit` dead letters that match, below `before`; less of them, or none, when `seconds` are over.

    Raises Outage and Fatal.
    """
    began = time.monotonic()
    ranges = history.ranges(list(topics), wanted.since)
    lows = {place: low for place, (low, _) in ranges.items()}
    ends = {place: high for place, (_, high) in ranges.items()}
    if before is not None:  # a partition that is not named there has only newer ones
        ends = {place: min(high, before.get(place, lows[place])) for place, high in ends.items()}
    unread = Backwards(lows, ends)
    letters: list[FoundLetter] = []
    while unread.left and len(letters) < limit and time.monotonic() - began < seconds:
        windows, found = _look(history, serde, wanted, topics, unread)
        matching = (letter for letter in unread.take(windows, found) if letter.facts is not None)
        letters += islice(matching, limit - len(letters))
    return LetterPage(tuple(letters), unread.left)


Found = dict[Place, list[FoundLetter]]


def _look(
    history: TopicHistory, serde: Serde, wanted: DeadLetterFilter, topics: Mapping[str, str], unread: Backwards
) -> tuple[dict[Place, tuple[int, int]], Found]:
    """The next windows, with what is in them: as many records as do not have too many bytes together."""
    largest, smallest = map(unread.windows, WINDOWS)
    found = _letters(history, serde, wanted, topics, largest, MOST_BYTES)
    if found is not None:
        return largest, found
    return smallest, _letters(history, serde, wanted, topics, smallest) or {}


def _letters(
    history: TopicHistory,
    serde: Serde,
    wanted: DeadLetterFilter,
    topics: Mapping[str, str],
    windows: Mapping[Place, tuple[int, int]],
    most_bytes: float = inf,
) -> Found | None:
    """The dead letters of windows by partition; None when there are more bytes of them."""
    found: Found = {}
    size = 0
    for record in history.between(windows):
        size += len(record.value or b"")
        if size > most_bytes:
            return None
        place = record.place
        letter = letter_of(serde, topics[place.topic], record)
        kept = FoundLetter(place, record.at, facts(letter) if wanted.matches(letter) else None)
        found.setdefault((place.topic, place.partition), []).append(kept)
    return found
