"""Who may be sent to now, and how much: places, shares of them, and a token bucket an endpoint. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sink.webhooks.leases import EndpointQueue, LeasedDelivery, LeaseGrant


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyLimits:
    """How many calls may run at once: to one endpoint in all processes, for one tenant and for failing endpoints in this one.

    `per_second` is the pace of an endpoint that has none of its own.
    """

    per_endpoint: int
    per_tenant: int
    in_trouble: int
    per_second: float


@dataclass(slots=True)
class InFlight:
    """The places that are taken in this process."""

    tenants: Counter[str] = field(default_factory=Counter)
    in_trouble: int = 0

    @classmethod
    def by(cls, calls: Iterable[LeasedDelivery]) -> "InFlight":
        """Those of running calls."""
        held = cls()
        for call in calls:
            held.take(call.tenant, call.in_trouble)
        return held

    def take(self, tenant: str, in_trouble: bool) -> None:
        """One more."""
        self.tenants[tenant] += 1
        self.in_trouble += in_trouble

    def admits(self, queue: EndpointQueue, shares: ConcurrencyLimits) -> bool:
        """Whether one more is within the tenant's share, and that of failing endpoints."""
        if queue.in_trouble and self.in_trouble >= shares.in_trouble:
            return False
        return self.tenants[queue.tenant] < shares.per_tenant


def level(queue: EndpointQueue, per_second: float) -> float:
    """The tokens in an endpoint's bucket: it fills at the endpoint's pace and holds a second's worth, at least one."""
    pace = float(queue.max_per_second or per_second)
    full = max(1.0, pace)
    if queue.tokens is None or queue.tokens_at is None:
        return full
    passed = max(0.0, (queue.now - queue.tokens_at).total_seconds())
    return min(full, queue.tokens + pace * passed)


def shared(
    queues: Sequence[EndpointQueue], free: int, held: InFlight, shares: ConcurrencyLimits
) -> dict[UUID, LeaseGrant]:
    """What each endpoint gets of `free` places, given what is held and is then held more.

    One place each in the order of the queues, then a second one each: a backlog is no claim to be served alone.
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
                held.take(queue.tenant, queue.in_trouble)
                free -= 1
                served.append(queue)
        hungry = served
    return {
        endpoint: LeaseGrant(places=number, level=levels[endpoint]) for endpoint, number in places.items() if number
    }
