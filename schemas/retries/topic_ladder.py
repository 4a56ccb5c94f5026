"""Next topic of a failed record: one decision over the ladder of fixed delays. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.retries.schedules import LADDER, TopicLadder
from schemas.topics import retry_topic


@dataclass(frozen=True, slots=True)
class Retry:
    """Send the original bytes to `topic`; they are due at `not_before`."""

    topic: str
    not_before: datetime
    attempt: int


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Every step was tried; `attempts` have failed."""

    attempts: int


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The ladder of one consumer group; `time_scale` shortens every delay in tests and demos."""

    group: str
    ladder: TopicLadder = LADDER
    time_scale: float = 1.0

    def after(self, attempt: int, now: datetime) -> Retry | Exhausted:
        """The decision after `attempt` (1 at first) has failed at `now`."""
        steps = tuple(self.ladder.steps.items())
        if attempt > len(steps):
            return Exhausted(attempt)
        step, seconds = steps[attempt - 1]
        delay = timedelta(seconds=seconds * self.time_scale)
        return Retry(retry_topic(self.group, step), now + delay, attempt + 1)

    @property
    def longest_waits(self) -> dict[str, float]:
        """The topics that the group reads for its retries, and the longest wait (seconds) of a record in each."""
        return {retry_topic(self.group, step): delay * self.time_scale for step, delay in self.ladder.read.items()}
