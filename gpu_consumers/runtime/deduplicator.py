"""Deduplicator: tracks running and ended jobs of one group for its workers and its poll thread."""

from queue import Empty, SimpleQueue
from threading import Lock
from typing import Generic, TypeVar

from gpu_consumers.core.delivery.first_seen import DuplicateVerdict, FirstSeen, key_of
from gpu_consumers.core.delivery.messages import Job

T = TypeVar("T")


class Deduplicator(Generic[T]):
    """`FirstSeen` for many threads; the poll thread fetches the duplicates that may be tried again."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._first_seen: FirstSeen[T] = FirstSeen()
        self._released: SimpleQueue[T] = SimpleQueue()

    def claim(self, job: Job, task: T) -> DuplicateVerdict:
        """Whether work on a job may begin."""
        with self._lock:
            return self._first_seen.claim(key_of(job.request), job.delivery.origin, task)

    def ended(self, job: Job, task: T, final: bool) -> None:
        """Note that a task has ended; `final`: the end of its job was committed."""
        with self._lock:
            for waiting in self._first_seen.end(key_of(job.request), task, final):
                self._released.put(waiting)

    def waiting(self) -> list[T]:
        """Tasks that wait for the end of another record of their job."""
        with self._lock:
            return self._first_seen.waiting()

    def released(self) -> list[T]:
        """The duplicates that waited and may be tried again, each once."""
        found: list[T] = []
        while True:
            try:
                found.append(self._released.get_nowait())
            except Empty:
                return found
