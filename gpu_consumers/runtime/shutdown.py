"""Shutdown of the process: first no new work, then a time to finish, then a forced end."""

import time
from threading import Event as Flag


class Shutdown:
    """State shared by all groups of the process; any thread may read or change it."""

    def __init__(self, seconds: float) -> None:
        """Create the state; running jobs may take `seconds` after the request."""
        self.seconds = seconds
        self.requested = Flag()
        self.aborted = False
        self._deadline = float("inf")

    def request(self) -> None:
        """Take no new work; the time to finish begins."""
        if not self.requested.is_set():
            self._deadline = time.monotonic() + self.seconds
            self.requested.set()

    def abort(self) -> None:
        """End without finishing or committing anything more."""
        self.aborted = True
        self.requested.set()

    @property
    def deadline_passed(self) -> bool:
        """Whether running jobs must stop now."""
        return self.aborted or time.monotonic() > self._deadline
