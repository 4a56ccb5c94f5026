"""Whether what a consumer has to do moves on: one number a partition that must reach another, judged over time. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Place:
    """How far a partition is (None: nowhere yet), and how far it could be."""

    reached: int | None
    goal: int

    @property
    def behind(self) -> int:
        """How many offsets are left."""
        return max(0, self.goal - (self.reached or 0))


@dataclass(slots=True)
class ConsumerProgress(Generic[P]):
    """Since when each partition that is behind has not moved; times in seconds of any clock."""

    _seen: dict[P, tuple[int | None, float]] = field(default_factory=dict)

    def observe(self, places: Mapping[P, Place], now: float, *, excused: bool = False) -> float:
        """How long the slowest partition has stood still although it is behind, in seconds.

        Partitions that are not in `places` any more are forgotten. `excused`: nothing can move now, so no time counts.
        """
        seen = {}
        for partition, place in places.items():
            reached, since = self._seen.get(partition, (place.reached, now))
            if excused or not place.behind or reached != place.reached:
                since = now
            seen[partition] = (place.reached, since)
        self._seen = seen
        return max((now - since for _, since in seen.values()), default=0.0)
