"""Offsets of a partition: received, in flight and finished ones, and the position that may be committed.

A commit is a base (everything below is finished) and a bitmap of the finished offsets above it, which travels in the
offset's metadata: work that ended out of order is not repeated by the next owner. After it come the marks of
started records (crash_suspects.py), and the id of the topic: one that was deleted and made anew has the same name.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gpu_consumers.core.delivery import crash_suspects
from gpu_consumers.core.delivery.crash_suspects import NO_MARKS, StartMarks
from schemas.wire.offset_metadata import MAX_METADATA, bitmap_of, done_of, joined, parts_of


@dataclass(frozen=True, slots=True)
class Position:
    """Committed position of a partition: `base` is the next offset to read, `done` are finished ones above it."""

    base: int
    done: frozenset[int] = frozenset()
    marks: StartMarks = NO_MARKS
    topic_id: str = ""
    """Of the topic that the offsets are of; empty when it is not known."""

    def covers(self, offset: int) -> bool:
        """Whether the work on `offset` is part of this position."""
        return offset < self.base or offset in self.done

    @property
    def metadata(self) -> str:
        """Bitmap and marks as text; without what would be too long, so that work is repeated rather than a commit refused."""
        texts = (encode(self.base, done, self.marks, self.topic_id) for done in (self.done, ()))
        return next((text for text in texts if len(text) <= MAX_METADATA), "")


def encode(base: int, done: Iterable[int], marks: StartMarks = NO_MARKS, topic_id: str = "") -> str:
    """The bitmap of `done`, all at or above `base`, marks and topic, as text of any length; nothing is the empty text."""
    return joined(bitmap_of(base, done), marks.encode(base), topic_id)


def decode(base: int, metadata: str | None) -> frozenset[int]:
    """The finished offsets in a bitmap; empty for text that `encode` did not write, never an error."""
    return done_of(base, parts_of(metadata)[0])


def decode_marks(base: int, metadata: str | None) -> StartMarks:
    """The marks after a bitmap; none in metadata of other writers."""
    return crash_suspects.decode(base, parts_of(metadata)[1])


def decode_topic(metadata: str | None) -> str:
    """The topic id after the marks; empty in metadata of other writers."""
    return parts_of(metadata)[2]


def restore(committed: int | None, metadata: str | None, low: int, high: int, topic_id: str = "") -> Position:
    """The starting position in a partition of `topic_id` that holds the offsets `low` to `high` - 1.

    All of one that was made anew is unread.
    """
    if committed is None or committed < 0 or is_anew(committed, metadata, high, topic_id):
        return Position(low, topic_id=topic_id)
    base = max(committed, low)
    done = frozenset(offset for offset in decode(committed, metadata) if offset >= base)
    found = decode_marks(committed, metadata)
    begun = tuple(mark for mark in found.begun if base <= mark.offset < high and mark.offset not in done)
    return Position(base, done, StartMarks(found.owned, begun, found.owner), topic_id)


def is_anew(committed: int, metadata: str | None, high: int, topic_id: str) -> bool:
    """Whether the topic was deleted and recreated: it ends before the committed offset, or has another id.

    An unknown id proves nothing.
    """
    known = decode_topic(metadata)
    return committed > high or bool(known and topic_id and known != topic_id)


class PartitionOffsets:
    """The offsets of one assignment of one partition; a new assignment is a new object.

    Only offsets that were received count, so holes (control markers, compaction) need no bookkeeping.
    """

    def __init__(self, start: Position) -> None:
        """`start` is what `restore` found."""
        self._base = start.base
        self._done = set(start.done)
        self._next = start.base  # one behind the highest offset that was received or known to be absent
        self.in_flight: set[int] = set()

    def receive(self, offset: int) -> bool:
        """Note a polled offset; False when its work was finished before and it must be skipped."""
        self._next = max(self._next, offset + 1)
        # an offset received twice in one assignment is a re-read, and already in work
        if offset < self._base or offset in self._done or offset in self.in_flight:
            return False
        self.in_flight.add(offset)
        return True

    def reach_end(self, end: int) -> None:
        """Note that nothing more lies below `end`, control markers included."""
        self._next = max(self._next, end)

    def position(self, finishing: Iterable[int] = ()) -> Position:
        """The position to commit once the offsets in `finishing` have taken effect."""
        finished = self._done.union(finishing)
        unfinished = self.in_flight - finished
        base = min(unfinished) if unfinished else max(self._base, self._next)
        # a restored finished offset may be the next one to read: stopping below it would hand it out again
        while base in finished:
            base += 1
        return Position(base, frozenset(offset for offset in finished if offset > base))

    def finish(self, offsets: Collection[int]) -> None:
        """Note that the transaction with these offsets was committed."""
        position = self.position(offsets)
        self.in_flight.difference_update(offsets)
        self._base, self._done = position.base, set(position.done)
