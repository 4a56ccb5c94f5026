"""Stall detector: last heartbeat of each running job, and its wait reason; finds jobs that hang inside a library."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from schemas.process.wait_reasons import WaitReason

T = TypeVar("T")
# without a heartbeat for so long: only hours of voices to cluster, or a model to fetch, come near it
STALL_SECONDS = 3_600.0


class StallDetector(Generic[T]):
    """Heartbeats of the tasks of one group; any thread may query them. A `T` is a task, known by identity."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Create the detector; `clock` gives monotonic seconds."""
        self._clock = clock
        self._heartbeats: dict[int, tuple[T, float]] = {}
        self._held: dict[int, tuple[T, WaitReason]] = {}

    @contextmanager
    def track(self, task: T) -> Iterator[None]:
        """Watch a task while the block runs."""
        self._heartbeats[id(task)] = task, self._clock()
        try:
            yield
        finally:
            del self._heartbeats[id(task)]

    @contextmanager
    def held(self, task: T, reason: WaitReason) -> Iterator[None]:
        """Note a task's wait reason in a worker while the block runs."""
        self._held[id(task)] = task, reason
        try:
            yield
        finally:
            del self._held[id(task)]

    def working(self) -> list[T]:
        """The watched tasks, including those that wait in their worker."""
        return [task for task, _ in tuple(self._heartbeats.values())]

    def waiting(self) -> list[tuple[T, WaitReason]]:
        """Tasks that wait in a worker, with their reasons."""
        return list(self._held.values())

    def heartbeat(self, task: T) -> None:
        """Note a heartbeat of a watched task."""
        if id(task) in self._heartbeats:
            self._heartbeats[id(task)] = task, self._clock()

    def stalled(self) -> list[T]:
        """The watched tasks without a heartbeat for too long."""
        now = self._clock()
        return [task for task, last in tuple(self._heartbeats.values()) if now - last > STALL_SECONDS]
