"""The brake of a process: when most of the latest jobs fail by no fault of theirs, it is the process or what it works with.

While it is on, no job begins, so that a broken machine does not lead thousands of jobs up the ladder. Then a few are tried.
"""

from collections import deque
from dataclasses import dataclass, field

WINDOW = 40  # jobs that are looked at
TRIED = 4  # jobs that tell, after a pause, whether all is well again
MOST = 0.8  # of them may fail
SHORTEST, LONGEST = 30.0, 600.0  # seconds of a pause; each is twice as long as the one before


@dataclass(slots=True)
class Brake:
    """Times are monotonic seconds. Where all that failed is one tenant's, only that tenant's jobs wait."""

    _ends: deque[tuple[str, bool]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _pauses: int = 0
    _until: float = 0.0
    _only: str | None = None  # the tenant whose jobs wait in the pause, None: everybody's
    _begun: int = 0  # jobs that were let begin since the last pause

    def admits(self, now: float) -> bool:
        """Whether jobs of anybody may begin."""
        if now < self._until:
            return self._only is not None
        return not self._pauses or self._begun < TRIED

    def waiting(self, now: float) -> str | None:
        """The tenant whose jobs may not begin while those of others may."""
        return self._only if now < self._until else None

    def begin(self) -> None:
        """A job begins."""
        self._begun += 1

    def end(self, tenant: str, failed: bool | None, now: float) -> float | None:
        """A job has ended: well, badly, or (None) in a way that tells nothing; how long to pause if that is too much."""
        if failed is None:
            self._begun -= 1  # another one is tried in its place
            return None
        if now < self._until and self._only in (None, tenant):  # it began before the pause
            return None
        self._ends.append((tenant, failed))
        if len(self._ends) < (TRIED if self._pauses else WINDOW):
            return None
        if sum(bad for _, bad in self._ends) < MOST * len(self._ends):
            self._pauses = 0
            return None
        return self._pause(now)

    def _pause(self, now: float) -> float:
        failed = {tenant for tenant, bad in self._ends if bad}
        self._only = failed.pop() if len(failed) == 1 else None
        pause = min(LONGEST, SHORTEST * 2.0**self._pauses)
        self._pauses, self._until, self._begun = self._pauses + 1, now + pause, 0
        self._ends.clear()
        return pause
