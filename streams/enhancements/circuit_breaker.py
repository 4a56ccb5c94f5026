"""Circuit breaker as an immutable value: closed, open for a doubling time, then half-open for one probe. Pure."""

from dataclasses import dataclass, replace

from schemas.retries.backoff import Backoff
from schemas.retries.schedules import ENHANCED_AI_AWAY


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """Recent availability of a service; times in seconds of a monotonic clock."""

    failures: int = 0
    open_until: float = 0.0
    threshold: int = 3
    backoff: Backoff = ENHANCED_AI_AWAY

    @property
    def is_closed(self) -> bool:
        """Whether the breaker is closed."""
        return self.failures < self.threshold

    def permits(self, free: int, running: int, now: float) -> int:
        """The number of `free` calls that may begin while `running` are in progress: all, one as a probe, or none."""
        if self.is_closed:
            return free
        return min(1, free) if now >= self.open_until and running == 0 else 0

    def succeeded(self) -> "CircuitBreaker":
        """The breaker after an answer of the service, even a refusal."""
        return replace(self, failures=0, open_until=0.0)

    def failed(self, now: float) -> "CircuitBreaker":
        """The breaker after an outage of the service."""
        failures = self.failures + 1
        if failures < self.threshold:
            return replace(self, failures=failures)
        pause = self.backoff.wait(failures - self.threshold + 1)
        return replace(self, failures=failures, open_until=now + pause)
