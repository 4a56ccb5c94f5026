"""When a partition may be read: back-pressure with hysteresis, and the due times of retried records."""

from dataclasses import dataclass, field

from schemas.headers import NOT_BEFORE, Headers


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Stop at `high`, go on at `low`; the distance keeps a partition from being paused for every record."""

    high: int
    low: int

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")


@dataclass(slots=True)
class Valve:
    """Remembers on which side of the watermarks a level is."""

    marks: Watermarks
    closed: bool = False

    def update(self, level: int) -> bool:
        """Whether reading must rest at this level."""
        self.closed = level > self.marks.low if self.closed else level >= self.marks.high
        return self.closed


# a pause costs a refetch of up to half a second, so there must be work for that long; metadata ends at 4,095
METADATA_MARKS = Watermarks(high=3_000, low=1_500)


def in_flight_marks(workers: int) -> Watermarks:
    """Records in flight over all partitions, for so many workers."""
    return Watermarks(high=8 * workers, low=4 * workers)


@dataclass(slots=True)
class PartitionGate:
    """Why one partition rests; the two reasons are separate, so that lifting one never lifts the other."""

    crowded: Valve = field(default_factory=lambda: Valve(METADATA_MARKS))
    due_at: float | None = None

    def paused(self, group_full: bool) -> bool:
        """Whether the partition must not be read now; a record that waits for `due_at` is released by `release`."""
        return group_full or self.crowded.closed or self.due_at is not None

    def release(self, now: float) -> bool:
        """Whether a waiting record has fallen due at `now` (Unix seconds)."""
        if self.due_at is None or now < self.due_at:
            return False
        self.due_at = None
        return True


def due_at(headers: Headers, now: float, longest: float) -> float:
    """When a retried record falls due (Unix seconds): its header, but at most `longest` seconds from `now`.

    Absent and malformed headers mean at once; a record from the future cannot stop its partition for ever.
    """
    text = headers.get(NOT_BEFORE, "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return now
    return min(int(text) / 1000, now + longest)
