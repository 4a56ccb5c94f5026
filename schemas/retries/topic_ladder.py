"""Where a failed record goes next: one pure decision over the ladder of fixed delays."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.topics import RETRY_DELAYS, retry_topic


@dataclass(frozen=True, slots=True)
class Retry:
    """Send the original bytes to `topic`; they are due at `not_before`."""

    topic: str
    not_before: datetime
    attempt: int


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Every rung was tried; `attempts` have failed."""

    attempts: int


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The ladder of one consumer group; `time_scale` shortens every delay in tests and demos."""

    group: str
    steps: tuple[str, ...] = tuple(RETRY_DELAYS)
    time_scale: float = 1.0

    def after(self, attempt: int, now: datetime) -> Retry | Exhausted:
        """What follows when `attempt` (1 at first) has failed at `now`."""
        if attempt > len(self.steps):
            return Exhausted(attempt)
        step = self.steps[attempt - 1]
        delay = timedelta(seconds=RETRY_DELAYS[step] * self.time_scale)
        return Retry(retry_topic(self.group, step), now + delay, attempt + 1)
