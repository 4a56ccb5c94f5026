"""Fair shares of webhook endpoints: concurrency limits, and a token bucket per endpoint. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sink.webhooks.leases import EndpointQueue, LeasedDelivery, LeaseGrant


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyLimits:
    """Limits of concurrent calls: per endpoint in all processes, per tenant and for failing endpoints in this process.

    `per_second` is the rate of an endpoint without a rate of its own.
    """

    per_endpoint: int
    per_tenant: int
    failing: int
    per_second: float


@dataclass(slots=True)
class InFlight:
    """The calls in progress in this process."""

    tenants: Counter[str] = field(default_factory=Counter)
    failing: int = 0

    @classmethod
    def from_calls(cls, calls: Iterable[LeasedDelivery]) -> "InFlight":
        """The counts of running calls."""
        held = cls()
        for call in calls:
            held.take(call.tenant, call.failing)
        return held

    def take(self, tenant: str, failing: bool) -> None:
        """Count one more call."""
        self.tenants[tenant] += 1
        self.failing += failing

    def admits(self, queue: EndpointQueue, shares: ConcurrencyLimits) -> bool:
        """Whether one more call is within the limit of its tenant, and of failing endpoints."""
        if queue.failing and self.failing >= shares.failing:
            return False
        return self.tenants[queue.tenant] < shares.per_tenant


def level(queue: EndpointQueue, per_second: float) -> float:
    """The tokens in an endpoint's bucket, filled at the endpoint's rate; it holds those of one second, at least one."""
    pace = float(queue.max_per_second or per_second)
    full = max(1.0, pace)
    if queue.tokens is None or queue.tokens_at is None:
        return full
    passed = max(0.0, (queue.now - queue.tokens_at).total_seconds())
    return min(full, queue.tokens + pace * passed)


def shared(
    queues: Sequence[EndpointQueue], free: int, held: InFlight, shares: ConcurrencyLimits
) -> dict[UUID, LeaseGrant]:
    """The share of each endpoint in `free` calls, given the calls in flight, which are then updated.

    Each endpoint gets one call in the order of the queues, then a second one each: a backlog gives no precedence.
    """
    levels = {queue.endpoint_id: level(queue, shares.per_second) for queue in queues}
    places: Counter[UUID] = Counter()
    hungry = list(queues)
    while hungry and free > 0:
        served: list[EndpointQueue] = []
        for queue in hungry:
            most = min(queue.waiting, shares.per_endpoint - queue.running, int(levels[queue.endpoint_id]))
            if free > 0 and places[queue.endpoint_id] < most and held.admits(queue, shares):
                places[queue.endpoint_id] += 1
                held.take(queue.tenant, queue.failing)
                free -= 1
                served.append(queue)
        hungry = served
    return {
        endpoint: LeaseGrant(places=number, level=levels[endpoint]) for endpoint, number in places.items() if number
    }
