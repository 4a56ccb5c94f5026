"""What workers wait for before they begin: that the marks of their partition are committed."""

from collections.abc import Callable
from threading import Condition

LOOK_SECONDS = 0.1  # between two looks at whether waiting still makes sense


class CommitBarrier:
    """Numbered states of the marks of one partition; the first says that somebody owns it."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._asked = 1
        self._told = 0

    @property
    def asked(self) -> int:
        """The newest state; to be read before the marks that are committed."""
        return self._asked

    @property
    def due(self) -> bool:
        """Whether somebody may wait."""
        return self._told < self._asked

    def ask(self) -> int:
        """The marks have changed: the number of their state."""
        with self._changed:
            self._asked += 1
            return self._asked

    def tell(self, number: int) -> None:
        """The marks of that state are committed."""
        with self._changed:
            self._told = max(self._told, number)
            self._changed.notify_all()

    def wait(self, number: int, wanted: Callable[[], bool]) -> bool:
        """Until that state is committed; False when it is not wanted any more."""
        with self._changed:
            while self._told < number:
                if not wanted():
                    return False
                self._changed.wait(LOOK_SECONDS)
        return True
