"""Fair queue: picks the next job by the audio already served per lane and tenant; long jobs never take all workers.

Start-time fair queueing (Goyal, Vin, Cheng 1996) in two levels: the lane that was given least in relation to its weight
is next, in it the tenant that was given least. Idle tenants and lanes get no credit.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from schemas.events import Event, JobRequested, Priority, TranscriptReady
from schemas.process.wait_reasons import WaitReason
from schemas.vocabulary.scheduling import BYTES_PER_SECOND, EXPRESS_WEIGHT, MOST_SECONDS, UNKNOWN_SECONDS

T = TypeVar("T")
LONG_SECONDS = 1_800.0  # recordings of which not all workers may work at once
FASTEST = (
    100.0  # seconds of audio that a worker gets through in one: what a job without a known length is charged at most
)
LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class SchedulingInfo:
    """Facts about a job for scheduling; `seconds` of audio, as far as they are known."""

    tenant: str = ""
    express: bool = False
    seconds: float = UNKNOWN_SECONDS

    @property
    def long(self) -> bool:
        """Whether the job occupies a worker for long."""
        return self.seconds >= LONG_SECONDS


def scheduling_info_of(event: Event, request: JobRequested) -> SchedulingInfo:
    """Scheduling info of a job, by the event that led to it."""
    size = request.source.size_bytes
    seconds = size / BYTES_PER_SECOND if size is not None else UNKNOWN_SECONDS
    if isinstance(event, TranscriptReady):
        seconds = event.audio.duration
    seconds = min(max(seconds, LEAST_SECONDS), MOST_SECONDS) if math.isfinite(seconds) else UNKNOWN_SECONDS
    return SchedulingInfo(request.tenant, request.priority is Priority.EXPRESS, seconds)


def charge_of(info: SchedulingInfo, held: float, audio: float | None) -> float:
    """Seconds of audio to charge for a job that `held` a worker for so many seconds.

    `audio` is what was worked on, None if that is not known, as of a job that failed: then what it said of itself counts,
    but no more than a worker can do in that time. So nothing done costs nothing, and no failure is cheaper than success.
    """
    return max(held, audio if audio is not None else min(info.seconds, held * FASTEST))


def most_long(workers: int) -> int:
    """Number of workers for long recordings at once: one is reserved for short ones, if there are at least two."""
    return max(1, workers - 1)


def refusal(info: SchedulingInfo, allow_long: bool) -> WaitReason:
    """The reason why an otherwise ready job waits; `allow_long`: a worker may be given to a long one."""
    return WaitReason.TURN if allow_long or not info.long else WaitReason.LONG_RECORDINGS


@dataclass(slots=True)
class _Tenant(Generic[T]):
    """Waiting jobs of one tenant in a lane, in the order in which they came; long ones apart."""

    given: float
    short: deque[tuple[int, SchedulingInfo, T]] = field(default_factory=deque)
    long: deque[tuple[int, SchedulingInfo, T]] = field(default_factory=deque)

    def next(self, allow_long: bool) -> deque[tuple[int, SchedulingInfo, T]] | None:
        """The queue that holds the tenant's next job."""
        if not (allow_long and self.long):
            return self.short or None
        return self.short if self.short and self.short[0][0] < self.long[0][0] else self.long

    def __iter__(self) -> Iterator[deque[tuple[int, SchedulingInfo, T]]]:
        return iter((self.short, self.long))


@dataclass(slots=True)
class _Lane(Generic[T]):
    weight: float
    given: float = 0.0
    reached: float = 0.0  # what the tenant that was served last had been given
    tenants: dict[str, _Tenant[T]] = field(default_factory=dict)


class FairQueue(Generic[T]):
    """Jobs that wait for a worker."""

    def __init__(self) -> None:
        self._lanes: dict[bool, _Lane[T]] = {True: _Lane(EXPRESS_WEIGHT), False: _Lane(1.0)}
        self._reached = 0.0
        self._sequence = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[tuple[T, SchedulingInfo]]:
        for lane in self._lanes.values():
            for tenant in lane.tenants.values():
                yield from ((item, info) for queue in tenant for _, info, item in queue)

    def add(self, item: T, info: SchedulingInfo) -> None:
        """Queue a job."""
        lane = self._lanes[info.express]
        if not any(self._waiting(lane)):
            lane.given = max(lane.given, self._reached)
        tenant = lane.tenants.setdefault(info.tenant, _Tenant(lane.reached))
        if not any(tenant):
            tenant.given = max(tenant.given, lane.reached)
        self._sequence += 1
        self._size += 1
        (tenant.long if info.long else tenant.short).append((self._sequence, info, item))

    def take(self, *, allow_long: bool = True, exclude: Collection[str] = ()) -> tuple[T, SchedulingInfo] | None:
        """The next job; `allow_long`: a worker may be given to a long one; `exclude`: tenants that must wait."""

        def candidates(lane: _Lane[T]) -> list[_Tenant[T]]:
            return [tenant for name, tenant in lane.tenants.items() if name not in exclude and tenant.next(allow_long)]

        found = [(lane, tenants) for lane in self._lanes.values() if (tenants := candidates(lane))]
        if not found:
            return None
        lane, tenants = min(found, key=lambda each: each[0].given)
        tenant = min(tenants, key=lambda tenant: tenant.given)
        queue = tenant.next(allow_long)
        if queue is None:  # a candidate has one
            return None
        _, info, item = queue.popleft()
        self._size -= 1
        self._reached, lane.reached = lane.given, tenant.given
        lane.given += info.seconds / lane.weight
        tenant.given += info.seconds
        self._forget_idle(lane)
        return item, info

    def charge(self, info: SchedulingInfo, seconds: float) -> None:
        """Correct the seconds of audio that were charged when the job was taken, up or down."""
        lane = self._lanes[info.express]
        lane.given += seconds / lane.weight
        if (tenant := lane.tenants.get(info.tenant)) is not None:
            tenant.given += seconds

    def keep(self, wanted: Callable[[T], bool]) -> list[T]:
        """Remove all but the wanted jobs; returns the removed ones."""
        gone: list[T] = []
        for lane in self._lanes.values():
            for tenant in lane.tenants.values():
                for queue in tenant:
                    gone += [item for _, _, item in queue if not wanted(item)]
                    kept = [entry for entry in queue if wanted(entry[2])]
                    queue.clear()
                    queue.extend(kept)
        self._size -= len(gone)
        return gone

    @staticmethod
    def _waiting(lane: _Lane[T]) -> Iterator[_Tenant[T]]:
        return (tenant for tenant in lane.tenants.values() if any(tenant))

    @staticmethod
    def _forget_idle(lane: _Lane[T]) -> None:
        """Forget idle tenants served no more than the lane's current level, as that changes no order."""
        if len(lane.tenants) > 1_000:
            lane.tenants = {n: t for n, t in lane.tenants.items() if any(t) or t.given > lane.reached}
