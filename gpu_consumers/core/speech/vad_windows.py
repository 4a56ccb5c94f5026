"""Regions of speech packed into windows for a model, and times in a window mapped back to the recording."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of speech: samples [start, end)."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Length in samples."""
        return self.end - self.start


@dataclass(frozen=True)
class Window:
    """Consecutive regions, without the silence between them."""

    regions: tuple[Region, ...]

    @property
    def length(self) -> int:
        """Length in samples, without silence."""
        return self._ends[-1]

    @property
    def end(self) -> int:
        """Sample of the recording at which the window ends."""
        return self.regions[-1].end

    @property
    def pause(self) -> int | None:
        """The sample of the window, in its middle half, at which one region ends and the next begins; None if none does."""
        inner = [end for end in self._ends[:-1] if abs(end - self.length // 2) <= self.length // 4]
        return min(inner, key=lambda end: abs(end - self.length // 2), default=None)

    def split(self, at: int) -> "tuple[Window, Window]":
        """The window in two, parted at a sample of it that is neither its first nor behind its last."""
        before, after = [], []
        for region, end in zip(self.regions, self._ends, strict=True):
            cut = region.end - max(0, end - at) if end - at < region.length else region.start
            before += [Region(region.start, cut)] if cut > region.start else []
            after += [Region(cut, region.end)] if cut < region.end else []
        return Window(tuple(before)), Window(tuple(after))

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        return tuple(accumulate(region.length for region in self.regions))

    def restore(self, start: float, end: float, rate: int) -> tuple[float, float]:
        """A time span of the window as one of the recording, in seconds at `rate` Hz; its middle chooses the region."""
        middle = (start + end) / 2 * rate
        index = next((i for i, limit in enumerate(self._ends) if middle < limit), len(self._ends) - 1)
        region, before = self.regions[index], self._ends[index] - self.regions[index].length

        def moved(seconds: float) -> float:
            return (region.start + min(max(seconds * rate - before, 0.0), region.length)) / rate

        return moved(start), moved(end)


def pack(regions: Iterable[Region], limit: int, *, apart: bool = False) -> tuple[Window, ...]:
    """Windows of at most `limit` samples in order; longer regions are cut. `apart`: each region is a window of its own."""
    windows: list[Window] = []
    held: list[Region] = []
    room = limit
    for region in _cut(regions, limit):
        if region.length > room or (apart and held):
            windows.append(Window(tuple(held)))
            held, room = [], limit
        held.append(region)
        room -= region.length
    if held:
        windows.append(Window(tuple(held)))
    return tuple(windows)


def _cut(regions: Iterable[Region], limit: int) -> Iterator[Region]:
    for region in regions:
        for start in range(region.start, region.end, limit):
            yield Region(start, min(start + limit, region.end))
