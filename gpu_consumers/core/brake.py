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
    """Times are monotonic seconds. Failures of one tenant's jobs alone never put it on while others' end well."""

    _ends: deque[tuple[str, bool]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _pauses: int = 0
    _until: float = 0.0
    _begun: int = 0  # jobs that were let begin since the last pause

    def admits(self, now: float) -> bool:
        """Whether a job may begin."""
        return now >= self._until and (not self._pauses or self._begun < TRIED)

    def begin(self) -> None:
        """A job begins."""
        self._begun += 1

    def end(self, tenant: str, failed: bool | None, now: float) -> float | None:
        """A job has ended: well, badly, or (None) in a way that tells nothing; how long to pause if that is too much."""
        if failed is None:
            self._begun -= 1  # another one is tried in its place
            return None
        if now < self._until:  # it began before the pause
            return None
        self._ends.append((tenant, failed))
        if len(self._ends) < (TRIED if self._pauses else WINDOW):
            return None
        if not self._is_too_much():
            self._pauses = 0
            return None
        pause = min(LONGEST, SHORTEST * 2.0**self._pauses)
        self._pauses, self._until, self._begun = self._pauses + 1, now + pause, 0
        self._ends.clear()
        return pause

    def _is_too_much(self) -> bool:
        failed = [tenant for tenant, bad in self._ends if bad]
        tenants = {tenant for tenant, _ in self._ends}
        return len(failed) >= MOST * len(self._ends) and (len(tenants) == 1 or len(set(failed)) > 1)
