"""Members of a GPU group that come, leave and die all the time: what is worked on twice, and whether it had to be.

python -m tests.bench.gpu_churn --minutes 5

Every ten seconds a member joins, is told to leave, or is killed, while jobs of a tenth of a second to eight seconds end in any
order. Exit code 1 when a job is lost or has two results, when one that had ended runs again, or when one runs again more often
than its worker was killed or lost its partition.
"""

import itertools
import random
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deploy.local.stack import Stack
from tests.executions import Execution, read
from tests.integration.gpu import GpuGroup, create_topics, job, spawn

EVERY = 10.0  # seconds
TURNS = ("kill", "join", "leave", "join")
MEMBERS = 3
WORKERS = 4
JOBS_A_SECOND = 8.0


@dataclass(frozen=True)
class Death:
    """A member that was killed at a time, in unix seconds."""

    pid: int
    at: float


@dataclass(frozen=True)
class Found:
    """What came of the jobs; counts."""

    jobs: int
    results: int
    twice: int
    kills: int
    in_flight: int
    """Executions that a kill ended."""
    unwritten: int
    """Executions that had ended when a kill came, before their result was committed."""
    moved: int
    """Executions that were given up because their partition went to another member."""
    extra: int
    """Executions beyond the first of each job."""
    unexplained: int
    """Executions that follow neither a kill nor a move."""
    ahead: int
    """Jobs that had ended before a kill while one with a lower offset of their partition was in work."""
    again: int
    """Executions of jobs whose result was there already."""

    @property
    def kept(self) -> bool:
        return self.jobs == self.results and self.ahead > 0 and not (self.twice or self.again or self.unexplained)


def judge(
    jobs: Sequence[UUID],
    results: Sequence[tuple[UUID, float]],
    executions: Sequence[Execution],
    deaths: Sequence[Death],
) -> Found:
    """Count; `results` with the unix seconds at which their work was done."""
    by_job: dict[UUID, list[Execution]] = defaultdict(list)
    for execution in executions:
        by_job[execution.job_id].append(execution)
    done_at = dict(results)
    unexplained = again = moved = extra = unwritten = 0
    for job_id, tries in by_job.items():
        extra += len(tries) - 1
        moved += sum(execution.how == "dropped" for execution in tries)
        for before, after in itertools.pairwise(tries):
            again += after.begun_at > done_at.get(job_id, float("inf"))
            killed = _killed(before, deaths) is not None
            unwritten += killed and before.how == "done"
            unexplained += not (before.how == "dropped" or killed)
    return Found(
        jobs=len(jobs),
        results=len(done_at),
        twice=sum(count - 1 for count in Counter(job_id for job_id, _ in results).values()),
        kills=len(deaths),
        in_flight=sum(execution.ended_at is None for execution in executions),
        unwritten=unwritten,
        moved=moved,
        extra=extra,
        unexplained=unexplained,
        ahead=len(set(_ahead(executions, done_at, deaths))),
        again=again,
    )


def _killed(execution: Execution, deaths: Sequence[Death]) -> Death | None:
    """The death that ended an execution, or came before its result was told."""
    return next((death for death in deaths if death.pid == execution.pid and death.at >= execution.begun_at), None)


def _ahead(executions: Sequence[Execution], done_at: dict[UUID, float], deaths: Sequence[Death]) -> Iterator[UUID]:
    for execution in executions:
        death = _killed(execution, deaths)
        if execution.ended_at is not None or death is None:
            continue
        topic, partition, offset = execution.record.split("/")
        for other in executions:
            place = other.record.split("/")
            later = place[:2] == [topic, partition] and int(place[2]) > int(offset)
            if later and other.how == "done" and done_at.get(other.job_id, death.at) < death.at:
                yield other.job_id


class Members:
    """The members that are alive."""

    def __init__(self, group: GpuGroup, executions: Path) -> None:
        self._group = group
        self._executions = executions
        self._names = (f"member-{number}" for number in itertools.count())
        self._alive: list[subprocess.Popen[bytes]] = []
        self._leaving: list[subprocess.Popen[bytes]] = []
        self.deaths: list[Death] = []

    def turn(self, what: str) -> None:
        """One joins, leaves or dies."""
        match what:
            case "join":
                self._alive.append(spawn(self._group, next(self._names), workers=WORKERS, executions=self._executions))
            case "leave":
                self._leaving.append(self._alive.pop(0))
                self._leaving[-1].terminate()
            case _:
                killed = self._alive.pop(0)
                killed.kill()
                self.deaths.append(Death(killed.pid, time.time()))
                killed.wait()

    def end(self) -> None:
        """All of them leave."""
        for process in self._alive:
            process.terminate()
        for process in (*self._alive, *self._leaving):
            process.wait(30)


def measure(bootstrap: str, minutes: float, seed: int, say: Console) -> Found:
    """Let members come and go until all jobs have ended."""
    rng = random.Random(seed)
    group, topics = create_topics(bootstrap)
    jobs = [
        job(fake_seconds=f"{min(8.0, 0.1 + rng.expovariate(1.0)):.2f}")
        for _ in range(round(minutes * 60 * JOBS_A_SECOND))
    ]
    group.publish(*jobs)
    with tempfile.TemporaryDirectory(prefix="churn-") as folder, Progress(console=say) as progress:
        members = Members(group, Path(folder) / "executions")
        for _ in range(MEMBERS):
            members.turn("join")
        bar = progress.add_task("jobs ended", total=len(jobs))
        turns, next_turn = itertools.cycle(TURNS), time.monotonic() + EVERY
        end = time.monotonic() + minutes * 60 * 3
        while (ended := len({result.job_id for result in group.job_results()})) < len(jobs) and time.monotonic() < end:
            progress.update(bar, completed=ended)
            time.sleep(min(2.0, max(0.0, next_turn - time.monotonic())))
            if time.monotonic() >= next_turn:
                members.turn(next(turns))
                next_turn += EVERY
        members.end()
        results = [(result.job_id, result.completed_at.timestamp()) for result in group.job_results()]
        found = judge([each.job_id for each in jobs], results, read(Path(folder) / "executions"), members.deaths)
    AdminClient({"bootstrap.servers": bootstrap}).delete_topics(topics)
    return found


def shown(found: Found) -> Table:
    """As a table."""
    table = Table("WHAT", "COUNT")
    for what, count in (
        ("jobs", found.jobs),
        ("jobs with a result", found.results),
        ("results too many", found.twice),
        ("members killed", found.kills),
        ("jobs in work when their member was killed", found.in_flight),
        ("jobs that had ended then and were not written yet", found.unwritten),
        ("jobs in work when their partition went to another member", found.moved),
        ("executions beyond the first", found.extra),
        ("of them without a kill or a move before", found.unexplained),
        ("jobs that had ended before a kill, ahead of one in work", found.ahead),
        ("of all ended jobs, run again", found.again),
    ):
        table.add_row(what, f"{count:,}")
    return table


def main(
    minutes: Annotated[float, typer.Option(help="For how long there is work.", min=0.5)] = 5,
    seed: Annotated[int, typer.Option(help="What the lengths of the jobs are drawn from.")] = 1,
) -> None:
    """Measure and print."""
    say = Console()
    with tempfile.TemporaryDirectory(prefix="churn-") as folder, Stack(Path(folder) / "stack") as stack:
        found = measure(stack.kafka_bootstrap, minutes, seed, say)
    say.print(shown(found))
    raise typer.Exit(0 if found.kept else 1)


if __name__ == "__main__":
    typer.run(main)
