"""Where deliveries wait for a worker: suspects first and alone, then fairly; shared by the threads of one group."""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from threading import Condition, Lock

from gpu_consumers.core.delivery.crash_suspects import StartMode
from gpu_consumers.core.delivery.failure_breaker import FailureBreaker
from gpu_consumers.core.delivery.fairness import FairQueue, SchedulingInfo, charge_of, most_long, refusal
from gpu_consumers.core.delivery.isolation import Isolation
from gpu_consumers.runtime.executor import JobTask
from schemas.metrics import BRAKE
from schemas.process.logs import bound
from schemas.process.wait_reasons import WaitReason

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.05  # between two looks at whether the room of the process is free


@dataclass(frozen=True, slots=True)
class SharedIsolation:
    """The room of the process, for the threads of all its groups."""

    room: Isolation[JobTask] = field(default_factory=Isolation)
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A task that a worker has since `at`; its tenant was `charged` so many seconds of audio for it."""

    ticket: SchedulingInfo
    at: float
    charged: float


class TaskQueue:
    """Tasks in; each worker takes one, runs it and says so."""

    def __init__(
        self, workers: int, shared: SharedIsolation, clock: Callable[[], float] = time.monotonic, name: str = "jobs"
    ) -> None:
        """`clock` tells monotonic seconds; `name` is what the log calls the queue."""
        self._name = name
        self._brake = FailureBreaker()
        self._most_long = most_long(workers)
        self._shared = shared
        self._clock = clock
        self._changed = Condition()
        self._fair: FairQueue[JobTask] = FairQueue()
        self._suspects: list[tuple[JobTask, SchedulingInfo]] = []
        self._taken: dict[int, _Taken] = {}
        self._closed = self._refusing = False

    def __len__(self) -> int:
        with self._changed:
            return len(self._fair) + len(self._suspects)

    def put(self, task: JobTask, ticket: SchedulingInfo) -> None:
        """Never waits."""
        with self._changed:
            if self._refusing:
                return
            if task.partition.starts.deaths(task.delivery.offset) is None:
                self._fair.add(task, ticket)
            else:
                self._suspects.append((task, ticket))
                self._suspects.sort(key=lambda each: each[0].partition.starts.suspicion(each[0].delivery.offset))
            self._changed.notify()

    def take(self) -> JobTask | None:
        """Wait for the next task, which has begun then; None when the queue is closed."""
        with self._changed:
            while not self._closed:
                if (task := self._next()) is not None:
                    return task
                blocked = bool(len(self._fair) or self._suspects)
                self._changed.wait(LOOK_SECONDS if blocked else None)
        return None

    def done(self, task: JobTask, audio: float | None = None, failed: bool | None = None) -> None:
        """A worker has ended a task: seconds of audio worked on, and whether it failed by no fault of its own, if known."""
        with self._shared.lock:
            self._shared.room.leave(task)
        with self._changed:
            if (taken := self._taken.pop(id(task), None)) is not None:
                due = charge_of(taken.ticket, self._clock() - taken.at, audio)
                self._fair.charge(taken.ticket, due - taken.charged)
                self._judge(taken.ticket, failed)
            self._changed.notify()

    def waiting(self) -> list[tuple[JobTask, WaitReason]]:
        """Every task that no worker has, and what holds it."""
        with self._changed, self._shared.lock:
            return list(self._held(self._clock()))

    def discard(self) -> None:
        """Forget what has not begun, and whatever still comes."""
        with self._changed:
            self._refusing = True
            self._fair.keep(lambda _: False)
            self._suspects.clear()

    def close(self) -> None:
        """Let no worker wait or begin any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _judge(self, ticket: SchedulingInfo, failed: bool | None) -> None:
        now = self._clock()
        if pause := self._brake.end(ticket.tenant, failed, now):
            whose = "all jobs" if pause.tenant is None else "those of one tenant"
            with bound(tenant=pause.tenant):
                log.error("%s: jobs fail by no fault of theirs: %s wait for %g s", self._name, whose, pause.seconds)
        BRAKE.labels(self._name).set(self._brake.is_on(now))

    def _held(self, now: float) -> Iterator[tuple[JobTask, WaitReason]]:
        for task, ticket in self._suspects:
            yield task, self._brake.refusal(ticket.tenant, now) or WaitReason.SUSPECT
        alone, long_too = self._shared.room.refusal(now), self._long_too
        for task, ticket in self._fair:
            yield task, self._brake.refusal(ticket.tenant, now) or alone or refusal(ticket, long_too)

    @property
    def _long_too(self) -> bool:
        """Whether a worker may be given to a long recording."""
        return sum(taken.ticket.long for taken in self._taken.values()) < self._most_long

    def _next(self) -> JobTask | None:
        now = self._clock()
        if not self._brake.admits(now):
            return None
        with self._shared.lock:
            room = self._shared.room
            if (alone := room.open_up(now)) is not None:
                alone.partition.starts.open_up(alone.delivery.offset)
            but = self._brake.waiting(now)
            return self._next_suspect(room, now, but) or self._next_fair(room, now, but)

    def _next_suspect(self, room: Isolation[JobTask], now: float, but: Collection[str]) -> JobTask | None:
        # a partition may be lost while its deliveries wait
        self._suspects = [each for each in self._suspects if each[0].partition.owned]
        allowed = [place for place, (_, ticket) in enumerate(self._suspects) if ticket.tenant not in but]
        if not allowed:
            return None
        place = allowed[-1]
        task, ticket = self._suspects[place]
        starts, offset = task.partition.starts, task.delivery.offset
        if starts.condemned(offset):  # it is not run
            room.enter(task, now)
        elif (how := room.enter_suspect(task, now)) is not None:
            starts.begin(offset, alone=how is StartMode.ALONE)
        else:
            return None
        del self._suspects[place]
        return self._taken_by(task, ticket, charged=0.0)

    def _next_fair(self, room: Isolation[JobTask], now: float, but: set[str]) -> JobTask | None:
        if not room.admits(now):
            return None
        take = partial(self._fair.take, long_too=self._long_too)
        while (found := take(but=but | self._brake.behind) or take(but=but)) is not None:
            task, ticket = found
            if task.partition.owned:
                room.enter(task, now)
                task.partition.starts.begin(task.delivery.offset, alone=False)
                return self._taken_by(task, ticket, charged=ticket.seconds)
            # its tenant was charged when it was chosen, and had nothing for it
            self._fair.charge(ticket, -ticket.seconds)
        return None

    def _taken_by(self, task: JobTask, ticket: SchedulingInfo, *, charged: float) -> JobTask:
        self._taken[id(task)] = _Taken(ticket, self._clock(), charged)
        self._brake.begin(ticket.tenant, self._clock())
        return task
