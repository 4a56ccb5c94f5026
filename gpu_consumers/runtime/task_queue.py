"""Task queue of one group: suspects first and isolated, then tasks in fair order; shared by the group's threads."""

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
from gpu_consumers.runtime.tasks import JobTask
from schemas.metrics import FAILURE_BREAKER_OPEN
from schemas.process.logs import bound
from schemas.process.wait_reasons import WaitReason

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.05  # between two checks whether the process is free for the next task


@dataclass(frozen=True, slots=True)
class SharedIsolation:
    """Isolation of the whole process, with the lock for the threads of all its groups."""

    isolation: Isolation[JobTask] = field(default_factory=Isolation)
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A task that a worker took `at` a time; its tenant was `charged` so many seconds of audio for it."""

    info: SchedulingInfo
    at: float
    charged: float


class TaskQueue:
    """Hands each waiting task to one worker, who reports its end."""

    def __init__(
        self, workers: int, shared: SharedIsolation, clock: Callable[[], float] = time.monotonic, name: str = "jobs"
    ) -> None:
        """Create the queue; `clock` gives monotonic seconds; `name` identifies the queue in logs."""
        self._name = name
        self._breaker = FailureBreaker()
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

    def put(self, task: JobTask, info: SchedulingInfo) -> None:
        """Queue a task; never waits."""
        with self._changed:
            if self._refusing:
                return
            if task.partition.suspects.deaths(task.delivery.offset) is None:
                self._fair.add(task, info)
            else:
                self._suspects.append((task, info))
                self._suspects.sort(key=lambda each: each[0].partition.suspects.suspicion(each[0].delivery.offset))
            self._changed.notify()

    def take(self) -> JobTask | None:
        """Wait for the next task and mark it as started; None when the queue is closed."""
        with self._changed:
            while not self._closed:
                if (task := self._next()) is not None:
                    return task
                blocked = bool(len(self._fair) or self._suspects)
                self._changed.wait(LOOK_SECONDS if blocked else None)
        return None

    def done(self, task: JobTask, audio: float | None = None, failed: bool | None = None) -> None:
        """End a task: seconds of audio processed, and whether it failed by the service's fault, None if unknown."""
        with self._shared.lock:
            self._shared.isolation.leave(task)
        with self._changed:
            if (taken := self._taken.pop(id(task), None)) is not None:
                due = charge_of(taken.info, self._clock() - taken.at, audio)
                self._fair.charge(taken.info, due - taken.charged)
                self._judge(taken.info, failed)
            self._changed.notify()

    def waiting(self) -> list[tuple[JobTask, WaitReason]]:
        """Every task without a worker, and its wait reason."""
        with self._changed, self._shared.lock:
            return list(self._held(self._clock()))

    def discard(self) -> None:
        """Discard all tasks that have not started, and all later ones."""
        with self._changed:
            self._refusing = True
            self._fair.keep(lambda _: False)
            self._suspects.clear()

    def close(self) -> None:
        """Stop handing out tasks; waiting workers return."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _judge(self, info: SchedulingInfo, failed: bool | None) -> None:
        now = self._clock()
        if cooldown := self._breaker.end(info.tenant, failed, now):
            whose = "all jobs" if cooldown.tenant is None else "those of one tenant"
            with bound(tenant=cooldown.tenant):
                log.error("%s: jobs fail by no fault of theirs: %s wait for %g s", self._name, whose, cooldown.seconds)
        FAILURE_BREAKER_OPEN.labels(self._name).set(self._breaker.is_open(now))

    def _held(self, now: float) -> Iterator[tuple[JobTask, WaitReason]]:
        for task, info in self._suspects:
            yield task, self._breaker.refusal(info.tenant, now) or WaitReason.SUSPECT
        isolated, allow_long = self._shared.isolation.refusal(now), self._allows_long
        for task, info in self._fair:
            yield task, self._breaker.refusal(info.tenant, now) or isolated or refusal(info, allow_long)

    @property
    def _allows_long(self) -> bool:
        """Whether a worker may be given to a long recording."""
        return sum(taken.info.long for taken in self._taken.values()) < self._most_long

    def _next(self) -> JobTask | None:
        now = self._clock()
        if not self._breaker.admits(now):
            return None
        with self._shared.lock:
            isolation = self._shared.isolation
            if (lifted := isolation.lift(now)) is not None:
                lifted.partition.suspects.relax(lifted.delivery.offset)
            exclude = self._breaker.waiting(now)
            return self._next_suspect(isolation, now, exclude) or self._next_fair(isolation, now, exclude)

    def _next_suspect(self, isolation: Isolation[JobTask], now: float, exclude: Collection[str]) -> JobTask | None:
        # a partition may be lost while its deliveries wait
        self._suspects = [each for each in self._suspects if each[0].partition.owned]
        allowed = [place for place, (_, info) in enumerate(self._suspects) if info.tenant not in exclude]
        if not allowed:
            return None
        place = allowed[-1]
        task, info = self._suspects[place]
        suspects, offset = task.partition.suspects, task.delivery.offset
        if suspects.quarantined(offset):  # it is not run
            isolation.enter(task, now)
        elif (mode := isolation.enter_suspect(task, now)) is not None:
            suspects.begin(offset, exclusive=mode is StartMode.EXCLUSIVE)
        else:
            return None
        del self._suspects[place]
        return self._taken_by(task, info, charged=0.0)

    def _next_fair(self, isolation: Isolation[JobTask], now: float, exclude: set[str]) -> JobTask | None:
        if not isolation.admits(now):
            return None
        take = partial(self._fair.take, allow_long=self._allows_long)
        while (found := take(exclude=exclude | self._breaker.deprioritized) or take(exclude=exclude)) is not None:
            task, info = found
            if task.partition.owned:
                isolation.enter(task, now)
                task.partition.suspects.begin(task.delivery.offset, exclusive=False)
                return self._taken_by(task, info, charged=info.seconds)
            # its tenant was charged when it was chosen, and had nothing for it
            self._fair.charge(info, -info.seconds)
        return None

    def _taken_by(self, task: JobTask, info: SchedulingInfo, *, charged: float) -> JobTask:
        self._taken[id(task)] = _Taken(info, self._clock(), charged)
        self._breaker.begin(info.tenant, self._clock())
        return task
