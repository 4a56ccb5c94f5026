"""Who may run in this process now: any number of jobs beside each other, or one suspect alone, for a while."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gpu_consumers.core.delivery.crash_suspects import StartMode
from schemas.process.wait_reasons import WaitReason

T = TypeVar("T")
ALONE_SECONDS = 300.0  # a suspect that has lived so long may have company
PATIENCE_SECONDS = 30.0  # how long others may begin in front of a suspect that waits for the room to be empty
ASKING_SECONDS = 2.0  # a suspect that has not asked for so long holds nobody up: the workers of its group are busy
FORGOTTEN_SECONDS = 600.0  # it does not wait any more at all


@dataclass(slots=True)
class Isolation(Generic[T]):
    """Times are monotonic seconds. A `T` is a job that runs, known by identity."""

    _since: dict[int, float] = field(default_factory=dict)
    _alone: T | None = None
    _wanted: tuple[float, float] | None = None  # since when a suspect waits, and when one asked last

    def enter_suspect(self, job: T, now: float) -> StartMode | None:
        """How a suspect may begin: alone, beside jobs that have run for very long, or not yet."""
        if not self._since:
            self._alone = job
            return self._entered(job, now, StartMode.ALONE)
        first = now if self._wanted is None else self._wanted[0]
        self._wanted = first, now
        crowded = any(now - since < ALONE_SECONDS for since in self._since.values())
        if crowded or self._alone is not None or now - first < PATIENCE_SECONDS:
            return None
        return self._entered(job, now, StartMode.BESIDE)

    def admits(self, now: float) -> bool:
        """Whether any other job may begin."""
        return self.refusal(now) is None

    def refusal(self, now: float) -> WaitReason | None:
        """Why no other job may begin, None when one may."""
        return WaitReason.ISOLATION if self._alone is not None or self._must_wait(now) else None

    def enter(self, job: T, now: float) -> None:
        """It begins."""
        self._since[id(job)] = now

    def open_up(self, now: float) -> T | None:
        """The suspect that has been alone for long enough, once: it is like any other job from now on."""
        alone = self._alone
        if alone is None or now - self._since[id(alone)] < ALONE_SECONDS:
            return None
        self._alone = None
        return alone

    def leave(self, job: T) -> None:
        """A job has ended."""
        self._since.pop(id(job), None)
        if self._alone is job:
            self._alone = None

    def _entered(self, job: T, now: float, how: StartMode) -> StartMode:
        self._since[id(job)] = now
        self._wanted = None
        return how

    def _must_wait(self, now: float) -> bool:
        if self._wanted is None:
            return False
        first, last = self._wanted
        if now - last > FORGOTTEN_SECONDS:
            self._wanted = None
        # where it asks again, it has waited since the first time
        return now - last <= ASKING_SECONDS and now - first > PATIENCE_SECONDS
