"""Admission: pauses partitions by back-pressure with hysteresis and by the due times of retried records."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from schemas.process.wait_reasons import WaitReason
from schemas.wire.headers import Headers, not_before_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Pause at `high`, resume at `low`; the distance keeps a partition from being paused for every record."""

    high: int
    low: int

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")


@dataclass(slots=True)
class Valve:
    """Switch with hysteresis: closes at the high watermark, opens at the low one."""

    marks: Watermarks
    closed: bool = False

    def update(self, level: int) -> bool:
        """Whether reading must pause at this level."""
        self.closed = level > self.marks.low if self.closed else level >= self.marks.high
        return self.closed


# undecoded records are small: a long look-ahead costs little, while a pause costs a refetch of up to half a second
RECORDS = Watermarks(high=2_000, low=1_000)
RECORD_BYTES = Watermarks(high=64_000_000, low=32_000_000)
# records finished above one that is not: packing their bitmap takes 40 ms, and one of half a million is not read again
DONE_AHEAD = Watermarks(high=100_000, low=50_000)
METADATA_CHARACTERS = Watermarks(high=3_000, low=1_500)  # a commit may carry 4,095


@dataclass(slots=True)
class GroupGate:
    """Gate of a whole group, closed while enough is in flight by number or by bytes."""

    records: Valve = field(default_factory=lambda: Valve(RECORDS))
    bytes: Valve = field(default_factory=lambda: Valve(RECORD_BYTES))

    def update(self, records: int, size: int) -> bool:
        """Whether reading must pause with so many records of so many bytes in flight."""
        return any((self.records.update(records), self.bytes.update(size)))

    @property
    def closed(self) -> bool:
        """Whether the gate was closed at its last update."""
        return self.records.closed or self.bytes.closed


@dataclass(slots=True)
class PartitionGate(Generic[T]):
    """Gate of one partition; its reasons are separate, so that lifting one never lifts another."""

    metadata: Valve = field(default_factory=lambda: Valve(METADATA_CHARACTERS))
    done: Valve = field(default_factory=lambda: Valve(DONE_AHEAD))
    held: deque[tuple[float, T]] = field(default_factory=deque)

    def paused(self, group_full: bool) -> bool:
        """Whether the partition must not be read now."""
        return bool(self.reasons(group_full))

    def reasons(self, group_full: bool) -> tuple[WaitReason, ...]:
        """The reasons why the partition must not be read now; none when it may be."""
        gates = (
            (WaitReason.LOOKAHEAD_FULL, group_full),
            (WaitReason.OFFSETS_FULL, self.metadata.closed or self.done.closed),
            (WaitReason.RETRY_DELAY, bool(self.held)),
        )
        return tuple(reason for reason, closed in gates if closed)

    def committed(self, characters: int, done: int) -> None:
        """Note the length of the metadata of a commit, and how many records were finished above its base."""
        self.metadata.update(characters)
        self.done.update(done)

    def hold(self, item: T, due: float) -> None:
        """Hold a record that came before its due time (Unix seconds); one fixed delay per topic keeps the order."""
        self.held.append((due, item))

    def release(self, now: float) -> Iterator[T]:
        """The records that have fallen due at `now` (Unix seconds)."""
        while self.held and self.held[0][0] <= now:
            yield self.held.popleft()[1]


def due_at(headers: Headers, written: float, now: float, longest: float) -> float:
    """The due time of a retried record (Unix seconds), from its header; at most `longest` seconds after `written`.

    Absent and malformed headers mean at once. A thousand untrusted records hold up those behind them no longer than
    one: they are polled as they are released, and a limit that began there would begin anew with each. A timestamp from
    the future counts as `now`, which brokers allow for an hour (`message.timestamp.after.max.ms`).
    """
    due = not_before_of(headers)
    return now if due is None else min(due, min(written, now) + longest)
