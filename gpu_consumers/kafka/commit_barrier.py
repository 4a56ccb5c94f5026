"""Commit barrier: workers wait at it until the start marks of their partition are committed."""

from collections.abc import Callable
from threading import Condition

LOOK_SECONDS = 0.1  # between two checks whether waiting still makes sense


class CommitBarrier:
    """Numbered states of the start marks of one partition; the first says that the partition has an owner."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._requested = 1
        self._completed = 0

    @property
    def requested(self) -> int:
        """The newest state; read it before the marks that are to be committed."""
        return self._requested

    @property
    def due(self) -> bool:
        """Whether a state is requested that is not committed yet."""
        return self._completed < self._requested

    def request(self) -> int:
        """Request a commit of changed marks; returns the number of their state."""
        with self._changed:
            self._requested += 1
            return self._requested

    def complete(self, number: int) -> None:
        """Note that the marks of a state are committed."""
        with self._changed:
            self._completed = max(self._completed, number)
            self._changed.notify_all()

    def wait(self, number: int, wanted: Callable[[], bool]) -> bool:
        """Wait until a state is committed; False when it is not `wanted` any more."""
        return self.wait_until(lambda: self._completed >= number, wanted)

    def wait_until(self, committed: Callable[[], bool], wanted: Callable[[], bool]) -> bool:
        """Wait until a commit has made `committed` true; False when it is not `wanted` any more."""
        with self._changed:
            while not committed():
                if not wanted():
                    return False
                self._changed.wait(LOOK_SECONDS)
        return True
