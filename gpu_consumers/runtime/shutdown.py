"""How the process ends: first no new work, then a time to finish, then an end in any case."""

import time
from threading import Event as Flag


class Shutdown:
    """Shared by all groups of the process; any thread may ask or tell."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is how long running jobs may take after the request."""
        self.seconds = seconds
        self.requested = Flag()
        self.abandoned = False
        self._until = float("inf")

    def request(self) -> None:
        """Take no new work; the time to finish begins."""
        if not self.requested.is_set():
            self._until = time.monotonic() + self.seconds
            self.requested.set()

    def abandon(self) -> None:
        """End without finishing or committing anything more."""
        self.abandoned = True
        self.requested.set()

    @property
    def over(self) -> bool:
        """Whether running jobs must stop now."""
        return self.abandoned or time.monotonic() > self._until
