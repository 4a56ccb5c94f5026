"""A circuit breaker as a value: closed, open for a while that doubles, then half open for one probe. Pure."""

from dataclasses import dataclass, replace

from schemas.retries.backoff import Backoff
from schemas.retries.schedules import ENHANCED_AI_AWAY


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """How a service has answered lately; times in seconds of a monotonic clock."""

    failures: int = 0
    open_until: float = 0.0
    threshold: int = 3
    backoff: Backoff = ENHANCED_AI_AWAY

    @property
    def is_closed(self) -> bool:
        """Whether all is well."""
        return self.failures < self.threshold

    def places(self, free: int, running: int, now: float) -> int:
        """How many of `free` calls may begin while `running` are under way: all, one to probe, or none."""
        if self.is_closed:
            return free
        return min(1, free) if now >= self.open_until and running == 0 else 0

    def succeeded(self) -> "CircuitBreaker":
        """The service has answered, be it that it refuses a request."""
        return replace(self, failures=0, open_until=0.0)

    def failed(self, now: float) -> "CircuitBreaker":
        """The service is away."""
        failures = self.failures + 1
        if failures < self.threshold:
            return replace(self, failures=failures)
        pause = self.backoff.wait(failures - self.threshold + 1)
        return replace(self, failures=failures, open_until=now + pause)
