"""The processor's time that a bench takes, with all that it has started, and that others take beside it."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import psutil

IDLE = ("idle", "iowait")
COUNTED_TWICE = ("guest", "guest_nice")  # they are in user and nice too


@dataclass(frozen=True)
class Load:
    """Seconds of the processor, ours and of all there is, until a monotonic time or between two."""

    at: float
    own: float
    whole: float

    @classmethod
    def now(cls) -> Self:
        """What was taken until now."""
        return cls(time.monotonic(), own_seconds(), busy_seconds())

    def since(self, before: "Load") -> "Load":
        """What was taken in between."""
        return Load(self.at - before.at, self.own - before.own, self.whole - before.whole)

    @property
    def share_of_others(self) -> float:
        """How much of the machine others had, 0 to 1, where this is a time in between."""
        return max(0.0, self.whole - self.own) / self.at / (psutil.cpu_count() or 1)

    @property
    def share(self) -> float:
        """How much of the machine was busy, with whatever."""
        return self.whole / self.at / (psutil.cpu_count() or 1)


def total(loads: Iterable[Load]) -> Load:
    """Of several times in between."""
    found = list(loads)
    return Load(sum(load.at for load in found), sum(load.own for load in found), sum(load.whole for load in found))


def own_seconds() -> float:
    """Of this process and all below it that live."""
    found = 0.0
    for process in (own := psutil.Process(), *own.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found += times.user + times.system
    return found


def busy_seconds() -> float:
    """Of the whole machine, all its processors together."""
    times = psutil.cpu_times()._asdict()
    return float(sum(seconds for name, seconds in times.items() if name not in (*IDLE, *COUNTED_TWICE)))
