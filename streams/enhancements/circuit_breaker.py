"""A circuit breaker as a value: closed, open for a while that doubles, then half open for one probe. Pure."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """How a service has answered lately; times in seconds of a monotonic clock."""

    failures: int = 0
    open_until: float = 0.0
    threshold: int = 3
    shortest: float = 5.0
    longest: float = 300.0

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
        pause = min(self.longest, self.shortest * 2 ** min(failures - self.threshold, 32))
        return replace(self, failures=failures, open_until=now + pause)
