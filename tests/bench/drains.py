"""Every process is told to end again and again while jobs flow: what is lost, done twice, or has to be killed, and how soon each leaves.

python -m tests.bench.drains --ends 500 --seed 1

Processes of every kind, with the fake engine, whose jobs take up to two seconds; a process that ends is started again at
once. Jobs come through Kafka, PostgreSQL and REST, some are cancelled, some are replayed. Afterwards the judge of tests.chaos
looks at all that came of them. Exit code 1 when a promise broke, a process needed SIGKILL, or one said for longer than a
second after the signal that it is ready.
"""

import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.local.stack import Stack
from tests.chaos.parts import Drain
from tests.chaos.places import PROCESSES
from tests.chaos.plan import Kind, Plan, Shares
from tests.chaos.run import Result, Run

TARGETS = (*PROCESSES, "enhance", "retention")
SECONDS_AN_END = 2.0  # each costs a start, which takes that much of two processors
JOBS_A_SECOND = 3.0
SHARES = Shares(rerun=0.005, large=0.01, rest=0.2, cancel=0.02, rest_cancel=0.2, replay=0.03)
READY_SECONDS = 1.0  # for how long a process may still say that it is ready
EXTRA = {
    "ENHANCED_AI_ENDPOINT": "http://127.0.0.1:9/v1",
    "SCRIBE_ENHANCED_AI_KIND": "openai",
    "SCRIBE_ENHANCED_AI_MODELS": "none",
    "SCRIBE_RETENTION_MINUTES": "0.02",
}


@dataclass(frozen=True)
class Report:
    """What came of a run."""

    result: Result

    @property
    def drains(self) -> Sequence[Drain]:
        """How each process that was told to end did so."""
        return self.result.drains

    @property
    def broken(self) -> list[str]:
        """What was not as promised."""
        found = [f"{promise}: {'; '.join(why[:3])}" for promise, why in self.result.broken.items()]
        for drain in self.drains:
            if drain.killed:
                found.append(f"{drain.name} needed SIGKILL")
            if drain.unready > READY_SECONDS:
                found.append(f"{drain.name} said for {drain.unready:.1f} s that it is ready")
        return found

    def table(self) -> Table:
        """By process."""
        jobs, seconds = len(self.result.facts.accepted), self.result.seconds
        columns = ("process", "ends", "SIGKILL", "exit codes", "seconds: median", "slowest", "ready for at most")
        table = Table(*columns, title=f"{len(self.drains)} ends, {jobs} jobs, {seconds:.0f} s", title_justify="left")
        for name in TARGETS:
            if drains := [drain for drain in self.drains if drain.name == name]:
                codes = Counter(str(drain.code) for drain in drains)
                table.add_row(
                    name,
                    str(len(drains)),
                    str(sum(drain.killed for drain in drains)),
                    ", ".join(f"{code}: {number}" for code, number in sorted(codes.items())),
                    f"{statistics.median(drain.seconds for drain in drains):.2f}",
                    f"{max(drain.seconds for drain in drains):.2f}",
                    f"{max(drain.unready for drain in drains):.2f} s",
                )
        return table


def run(stack: Stack, folder: Path, *, ends: int, seed: int, say: Console) -> Report:
    """Tell processes to end at random moments while jobs flow, then wait for all jobs and judge."""
    seconds = max(30.0, ends * SECONDS_AN_END)
    jobs = round(seconds * JOBS_A_SECOND)
    plan = Plan(seed, jobs, seconds, SHARES, {Kind.DRAIN: ends}, targets=TARGETS, replays=max(1, round(seconds / 120)))
    return Report(Run(plan, stack, folder, f"drains-{seed}", say, processes=TARGETS, extra=EXTRA).done())


def main(
    ends: Annotated[int, typer.Option(help="Signals, over all processes together.", min=1)] = 500,
    seed: Annotated[int, typer.Option(help="What all moments are drawn from.")] = 1,
    keep: Annotated[Path | None, typer.Option(help="Folder for data and logs, which then stay.")] = None,
) -> None:
    """Tell every process to end at random moments, and prove that nothing was lost or done twice."""
    say = Console()
    with tempfile.TemporaryDirectory(prefix="scribe-drains-") as temporary:
        folder = keep or Path(temporary)
        with Stack(folder / "stack", durable=False, say=say) as stack:
            report = run(stack, folder / "run", ends=ends, seed=seed, say=say)
    say.print(report.table())
    for line in report.broken:
        say.print(line, markup=False)
    sys.exit(1 if report.broken else 0)


if __name__ == "__main__":
    typer.run(main)
