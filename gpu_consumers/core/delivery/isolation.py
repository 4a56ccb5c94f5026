"""Isolation: any number of jobs run side by side in this process, or one suspect exclusively for a while."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gpu_consumers.core.delivery.crash_suspects import StartMode
from schemas.process.wait_reasons import WaitReason

T = TypeVar("T")
EXCLUSIVE_SECONDS = 300.0  # a suspect that has run so long may have company
PATIENCE_SECONDS = 30.0  # how long other jobs may start before a suspect that waits for the process to be empty
ASKING_SECONDS = 2.0  # a suspect that has not asked for so long holds up no job: the workers of its group are busy
FORGOTTEN_SECONDS = 600.0  # it does not wait any more at all


@dataclass(slots=True)
class Isolation(Generic[T]):
    """Running jobs, one of which may be exclusive. Times are monotonic seconds; a `T` is a job, known by identity."""

    _since: dict[int, float] = field(default_factory=dict)
    _exclusive: T | None = None
    _wanted: tuple[float, float] | None = None  # since when a suspect waits, and when one asked last

    def enter_suspect(self, job: T, now: float) -> StartMode | None:
        """The mode in which a suspect may start: exclusively, beside jobs that have run for very long, or not yet."""
        if not self._since:
            self._exclusive = job
            return self._entered(job, now, StartMode.EXCLUSIVE)
        first = now if self._wanted is None else self._wanted[0]
        self._wanted = first, now
        crowded = any(now - since < EXCLUSIVE_SECONDS for since in self._since.values())
        if crowded or self._exclusive is not None or now - first < PATIENCE_SECONDS:
            return None
        return self._entered(job, now, StartMode.SHARED)

    def admits(self, now: float) -> bool:
        """Whether a job that is no suspect may start."""
        return self.refusal(now) is None

    def refusal(self, now: float) -> WaitReason | None:
        """The reason why no ordinary job may start, None when one may."""
        return WaitReason.ISOLATION if self._exclusive is not None or self._must_wait(now) else None

    def enter(self, job: T, now: float) -> None:
        """Note that a job starts."""
        self._since[id(job)] = now

    def lift(self, now: float) -> T | None:
        """The suspect whose isolation ends now, returned once: it is like any other job from now on."""
        exclusive = self._exclusive
        if exclusive is None or now - self._since[id(exclusive)] < EXCLUSIVE_SECONDS:
            return None
        self._exclusive = None
        return exclusive

    def leave(self, job: T) -> None:
        """Note that a job has ended."""
        self._since.pop(id(job), None)
        if self._exclusive is job:
            self._exclusive = None

    def _entered(self, job: T, now: float, mode: StartMode) -> StartMode:
        self._since[id(job)] = now
        self._wanted = None
        return mode

    def _must_wait(self, now: float) -> bool:
        if self._wanted is None:
            return False
        first, last = self._wanted
        if now - last > FORGOTTEN_SECONDS:
            self._wanted = None
        # where it asks again, it has waited since the first time
        return now - last <= ASKING_SECONDS and now - first > PATIENCE_SECONDS
