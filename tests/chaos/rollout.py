"""Upgrades and ways back while jobs come in: some processes end, come back as the other version, then the next ones do."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sink.postgres.migrate import migrate
from tests import executions
from tests.chaos import names
from tests.chaos.parts import Parts
from tests.chaos.places import GPU
from tests.chaos.plan import Plan
from tests.chaos.versions import SCRIBE

LOOK_SECONDS = 0.05
READY_SECONDS = 120.0
WORK_SECONDS = 20.0
"""How long a process that is to be killed may take to begin a job."""


class Ending(StrEnum):
    """How a process ends that comes back as the other version."""

    DRAIN = "SIGTERM, then the other version"
    KILL = "SIGKILL, then the other version"


READERS_FIRST = (("persist", "webhooks", "dispatch"), GPU[:1], GPU[1:], ("relay", "api", SCRIBE))
# the second GPU process is killed: whoever takes over what it works on is of the other version
ENDINGS = (
    (Ending.KILL, Ending.DRAIN, Ending.KILL, Ending.DRAIN),
    (Ending.DRAIN, Ending.DRAIN, Ending.KILL, Ending.KILL),
)


@dataclass(frozen=True, slots=True)
class Step:
    """Processes that change their version at the same time."""

    names: tuple[str, ...]
    ending: Ending


def steps(rollouts: int) -> Iterator[Step]:
    """Up and back with the readers first, then up and back with the writers first, and so on.

    The first two already mix the versions in every way that four do: going back with the readers first leaves old readers
    beside new writers. In four of them every process ends both ways in both versions.
    """
    for number in range(rollouts):
        order = READERS_FIRST if number % 4 < 2 else READERS_FIRST[::-1]
        yield from map(Step, order, ENDINGS[number % 2])


class Rollout:
    """A thread that does one step after the other, each when its share of the jobs has come and all processes are ready."""

    def __init__(self, plan: Plan, parts: Parts) -> None:
        self.done: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self.steps = tuple(steps(plan.rollouts))
        self._parts = parts
        self._share = plan.jobs / (len(self.steps) + 1)
        self._come = 0
        self._begun = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def prepare(self) -> None:
        """Topics and tables of this version, beside processes that know only those of theirs."""
        if self.steps:
            names.create(self._parts.stack.kafka_bootstrap, self._parts.prefix, self._parts.partitions)
            migrate(self._parts.dsn)

    def start(self) -> None:
        """Begin; the first step waits for jobs."""
        self._thread.start()

    @property
    def all_done(self) -> bool:
        """Whether the last process has changed its version."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Begin no more steps."""
        self._stopped.set()
        self._thread.join(READY_SECONDS)

    def admits(self, number: int) -> bool:
        """Whether a job whose time has come may come: those of a share do while its step is done, however long that takes."""
        self._come = max(self._come, number)
        return not self.steps or number <= (self._begun + 1) * self._share

    def _run(self) -> None:
        try:
            for number, step in enumerate(self.steps):
                while self._come < (number + 0.5) * self._share:
                    if self._stopped.wait(LOOK_SECONDS):
                        return
                self._begun = number + 1
                if step.ending is Ending.KILL:
                    self._wait_for_work(step.names)
                self._parts.change(step.names, kill=step.ending is Ending.KILL)
                self._parts.wait_ready(READY_SECONDS)
                self.done[step.ending] += len(step.names)
        except BaseException as error:  # noqa: BLE001 - it belongs to the run
            self.failure = error

    def _wait_for_work(self, names: tuple[str, ...]) -> None:
        """Until one of the GPU processes among them is in the middle of a job."""
        pids = {pid for name, pid in self._parts.pids().items() if name in names and name in GPU}
        deadline = time.monotonic() + WORK_SECONDS
        while pids and time.monotonic() < deadline and not self._stopped.wait(LOOK_SECONDS):
            if any(one.pid in pids and one.ended_at is None for one in executions.read(self._parts.executions)):
                return
