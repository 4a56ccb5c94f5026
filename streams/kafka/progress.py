"""Progress of a consumer over time: one position per partition that must reach another. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class OffsetProgress:
    """The current position of a partition (None: none yet), and the position to reach."""

    reached: int | None
    goal: int

    @property
    def behind(self) -> int:
        """The number of offsets left."""
        return max(0, self.goal - (self.reached or 0))


@dataclass(slots=True)
class ConsumerProgress(Generic[P]):
    """The times since which lagging partitions have not moved; times in seconds of any clock."""

    _seen: dict[P, tuple[int | None, float]] = field(default_factory=dict)

    def observe(self, offsets: Mapping[P, OffsetProgress], now: float, *, excused: bool = False) -> float:
        """The longest time, in seconds, for which a lagging partition has not moved.

        Partitions that are not in `offsets` any more are forgotten. `excused`: nothing can move now, so no time counts.
        """
        seen = {}
        for partition, place in offsets.items():
            reached, since = self._seen.get(partition, (place.reached, now))
            if excused or not place.behind or reached != place.reached:
                since = now
            seen[partition] = (place.reached, since)
        self._seen = seen
        return max((now - since for _, since in seen.values()), default=0.0)
