"""One run: jobs come in while processes, servers and connections are broken; then all is let settle, and is judged."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.receiver import Received, Receiver
from deploy.local.stack import Stack
from tests.chaos.accounting import Scraper
from tests.chaos.breaking import passes_of
from tests.chaos.checker import Verdict, check
from tests.chaos.evidence import calls_of, gathered
from tests.chaos.facts import Facts
from tests.chaos.faults import Faults
from tests.chaos.load import Load
from tests.chaos.parts import Drain, Parts
from tests.chaos.places import PROCESSES
from tests.chaos.plan import Plan
from tests.chaos.rollout import Rollout
from tests.chaos.versions import SCRIBE, Versions

LOOK_SECONDS = 0.3
PATIENCE_SECONDS = 90.0  # without any progress
QUIET_SECONDS = 1.5  # in which what would be done twice may still come
LOAD_SHARE = 0.9  # of a run's time
_ENDED = """
SELECT count(*) FROM applied_events
UNION ALL SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered'
UNION ALL SELECT count(*) FROM outbox WHERE published_at IS NULL"""


@dataclass(frozen=True)
class Result:
    """What came of a run; seconds from the first job to the last end."""

    plan: Plan
    facts: Facts
    verdicts: list[Verdict]
    seconds: float
    faults: Mapping[str, int]
    deaths: Mapping[str, int]
    cuts: Mapping[str, int]
    passes: Mapping[tuple[str, str], int]
    """How many processes passed each failpoint, and how often what was done there."""
    answers: Mapping[str, int]
    """Those of the REST door, by status."""
    drains: tuple[Drain, ...] = ()
    """How each process that was told to end did so, but for the end of the run."""
    old_pids: Collection[int] = ()
    """Processes that were of the version before."""

    @property
    def broken(self) -> dict[str, tuple[str, ...]]:
        """The promises that did not hold, and what broke them."""
        return {verdict.promise: verdict.broken for verdict in self.verdicts if verdict.broken}


@dataclass
class Run:
    """What a run needs to know; `prepare` is called when the topics are there and no process is."""

    plan: Plan
    stack: Stack
    folder: Path
    prefix: str
    say: Console
    planted: str = ""
    partitions: int = 4
    workers: int = 8
    processes: tuple[str, ...] = PROCESSES
    patience: float = PATIENCE_SECONDS
    prepare: Callable[[Parts], None] = lambda _: None
    extra: Mapping[str, str] | None = None
    failpoints: Mapping[str, str] = field(default_factory=dict)
    """What the first life of a process ends with."""
    before: Path | None = None
    """The code of the version before, of which all processes are at first."""

    def done(self) -> Result:
        """Run to its end and judge it."""
        received: list[tuple[float, Received]] = []

        def take(call: Received) -> int:
            received.append((time.time(), call))
            return 204

        versions = Versions(self.before, {*self.processes, SCRIBE} if self.before else set())
        parts = Parts(
            self.stack,
            self.folder,
            self.prefix,
            self.partitions,
            self.planted,
            self.workers,
            self.extra or {},
            versions=versions,
        )
        with Receiver(take) as receiver, parts:
            self.prepare(parts)
            for name in self.processes:
                parts.start(name, failpoints=self.failpoints.get(name, ""))
            parts.wait_ready()
            began = time.monotonic()
            rollout, faults = Rollout(self.plan, parts), Faults(self.plan, parts)
            load = Load(self.plan, parts, receiver.url, self.plan.seconds * LOAD_SHARE, rollout.admits)
            scraper = Scraper(f"{parts.address('api')}/metrics", self.plan, load)
            rollout.prepare()
            for thread in (load, faults, rollout, scraper):
                thread.start()
            self._settle(parts, load, faults, rollout)
            seconds = time.monotonic() - began
            for thread in (load, faults, rollout, scraper):
                thread.stop()
            time.sleep(QUIET_SECONDS)
            drains = tuple(parts.drains)
            parts.stop()
            for failure in (load.failure, faults.failure, rollout.failure):
                if failure is not None:
                    raise failure
            calls = calls_of(parts.dsn, parts.key, received)
            facts = gathered(self.plan, parts, load, calls, scraper.scrapes)
        cuts = sum((proxy.cuts for proxy in getattr(self.stack, "kafka_proxies", ())), Counter[str]())
        return Result(
            self.plan,
            facts,
            check(facts),
            seconds,
            faults.done + rollout.done,
            parts.deaths,
            cuts,
            passes_of(parts.passes),
            load.rest.answers if load.rest else {},
            drains,
            versions.old_pids,
        )

    def _settle(self, parts: Parts, load: Load, faults: Faults, rollout: Rollout) -> None:
        """Wait until all has come and ended, and nothing more is broken; or until nothing has moved for long."""
        rows = sum(len(job.runs) for job in self.plan.planned if not job.undecodable)
        hooks = sum(len(job.runs) for job in self.plan.planned if job.webhook and not job.undecodable)
        changes = sum(len(step.names) for step in rollout.steps)
        broken = len(self.plan.schedule) + changes
        goals = {"accepted": self.plan.jobs, "ended": rows, "webhooks": hooks, "faults": broken}
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        moved, last, written, waiting = time.monotonic(), (0, 0, 0, 0), 0, 0
        with Progress(*columns, console=self.say, transient=True) as bars:
            tasks = [bars.add_task(name, total=goal) for name, goal in goals.items()]
            while time.monotonic() - moved < self.patience:
                ended, delivered, waiting = _ended(parts.dsn, (*last[1:3], waiting))
                now = (len(load.accepted), ended, delivered, sum((faults.done + rollout.done).values()))
                for task, number in zip(tasks, now, strict=True):
                    bars.update(task, completed=number)
                # what goes on in the GPU processes alone is progress too
                size = parts.executions.stat().st_size if parts.executions.exists() else 0
                if (now, size) != (last, written):
                    moved, last, written = time.monotonic(), now, size
                over = load.done and faults.all_done and rollout.all_done
                if over and ended >= rows and delivered >= hooks and not waiting:
                    return
                time.sleep(LOOK_SECONDS)


def _ended(dsn: str, before: tuple[int, int, int]) -> tuple[int, int, int]:
    """Ends of runs, webhooks delivered, and what waits in the outbox; as before when the database is away."""
    try:
        with psycopg.connect(dsn, connect_timeout=2) as connection:
            (runs,), (hooks,), (waiting,) = connection.execute(_ENDED).fetchall()
    except psycopg.Error:
        return before
    return runs, hooks, waiting
