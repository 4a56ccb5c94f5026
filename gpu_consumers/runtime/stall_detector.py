"""When each job in work moved last, and what it waits for: one that hangs in a library's code is not seen by anything else."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from schemas.process.wait_reasons import WaitReason

T = TypeVar("T")
SILENT_SECONDS = (
    3_600.0  # without a look up for so long: only hours of voices to cluster, or a model to fetch, come near it
)


class StallDetector(Generic[T]):
    """Of the workers of one group; any thread may ask. A `T` is what is worked on, known by identity."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells monotonic seconds."""
        self._clock = clock
        self._moved: dict[int, tuple[T, float]] = {}
        self._held: dict[int, tuple[T, WaitReason]] = {}

    @contextmanager
    def of(self, task: T) -> Iterator[None]:
        """Around the work on a task."""
        self._moved[id(task)] = task, self._clock()
        try:
            yield
        finally:
            del self._moved[id(task)]

    @contextmanager
    def held(self, task: T, reason: WaitReason) -> Iterator[None]:
        """Around what a worker waits for with a task."""
        self._held[id(task)] = task, reason
        try:
            yield
        finally:
            del self._held[id(task)]

    def working(self) -> list[T]:
        """What is worked on, be it that it waits."""
        return [task for task, _ in tuple(self._moved.values())]

    def waiting(self) -> list[tuple[T, WaitReason]]:
        """What waits with a worker, and for what."""
        return list(self._held.values())

    def beat(self, task: T) -> None:
        """It moves, if it is worked on."""
        if id(task) in self._moved:
            self._moved[id(task)] = task, self._clock()

    def silent(self) -> list[T]:
        """Those that have not moved for too long."""
        now = self._clock()
        return [task for task, moved in tuple(self._moved.values()) if now - moved > SILENT_SECONDS]
