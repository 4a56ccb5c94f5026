"""Kafka away for minutes under a GPU group that works: what is lost, what is done again, how soon it goes on.

python -m tests.bench.gpu_broker_away --minutes 10

Exit code 1 when a job is lost, has two results or ran twice, when the process ended, or when it took more than a minute after
the return until results came again.
"""

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from deploy.local.stack import Stack
from tests.executions import read
from tests.integration.gpu import create_topics, job, spawn

JOBS = 300
WORKERS = 4
RECOVERY_SECONDS = 60.0


@dataclass(frozen=True)
class Found:
    """Counts, and the seconds from the broker's return to the next result."""

    results: int
    twice: int
    again: int
    alive: bool
    recovered: float

    @property
    def kept(self) -> bool:
        whole = self.alive and self.results == JOBS
        return whole and not (self.twice or self.again) and self.recovered <= RECOVERY_SECONDS


def measure(stack: Stack, folder: Path, seconds: float, say: Console) -> Found:
    """Work, no broker for so many seconds, work."""
    group, _ = create_topics(stack.kafka_bootstrap)
    group.publish(*(job(fake_seconds=str(0.2 + number % 20 / 10)) for number in range(JOBS)))
    executions = folder / "executions"
    process = spawn(group, "worker", workers=WORKERS, executions=executions)
    try:
        before = len(group.await_results(JOBS // 10, seconds=120))
        stack.kafka.kill()
        for _ in track(range(round(seconds)), "Kafka is away", console=say):
            time.sleep(1.0)
        stack.kafka.start()
        returned = time.monotonic()
        while len(group.job_results()) <= before and time.monotonic() - returned < 5 * RECOVERY_SECONDS:
            time.sleep(0.5)
        recovered = time.monotonic() - returned
        results = Counter(result.job_id for result in group.await_results(JOBS, seconds=300))
        alive = process.poll() is None
    finally:
        process.terminate()
        process.communicate(timeout=60)
    runs = Counter(execution.job_id for execution in read(executions))
    return Found(
        results=len(results),
        twice=sum(results.values()) - len(results),
        again=sum(runs.values()) - len(runs),
        alive=alive,
        recovered=recovered,
    )


def main(minutes: Annotated[float, typer.Option(help="How long the broker is away.", min=0.1)] = 10) -> None:
    """Measure and print."""
    say = Console()
    with tempfile.TemporaryDirectory(prefix="away-") as name, Stack(Path(name) / "stack", durable=True) as stack:
        found = measure(stack, Path(name), minutes * 60, say)
    table = Table("JOBS", "WITH A RESULT", "RESULTS TOO MANY", "RAN AGAIN", "PROCESS", "NEXT RESULT AFTER THE RETURN")
    process = "lived" if found.alive else "ended"
    counts = (JOBS, found.results, found.twice, found.again)
    table.add_row(*map(str, counts), process, f"{found.recovered:.1f} s")
    say.print(table)
    raise typer.Exit(0 if found.kept else 1)


if __name__ == "__main__":
    typer.run(main)
