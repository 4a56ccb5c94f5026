"""What the GPU runtime costs with an engine that does nothing: jobs a second, and the time to a visible result.

python -m tests.bench.gpu_cost

Measured in turns, on one machine: the runtime (8 workers, results and offsets in Kafka transactions), a plain Kafka consumer
(tests.bench.gpu_rounds), and Celery (tests.bench.celery_jobs: Redis with an append-only file, late acks, one row in
PostgreSQL committed for each job, with fsync unless `--no-fsync`) with several numbers of processes. Each gets a backlog that
was there before it started; jobs a second are counted once the first tenth is done.

Exit code 1 when the median to the visible result is over 30 ms above the plain consumer's, or jobs a second are below the
best of Celery's; 3 when all is well but Celery was left out, because it or Redis is not installed.
"""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.local.stack import Stack
from tests.bench.celery_rounds import CeleryRounds, missing
from tests.bench.gpu_rounds import RATE, Found, measure, ours, plain

MOST_MORE = 0.030  # seconds
LEAST_RATIO = 1.0
MISSED, LEFT_OUT = 1, 3


@dataclass(frozen=True)
class Round:
    """One turn of each; Celery's jobs a second by its number of processes."""

    own: Found
    plain: Found
    celery: Mapping[int, float]

    @property
    def more(self) -> float:
        """Seconds to a visible result beyond those of the plain loop."""
        return self.own.median - self.plain.median

    @property
    def ratio(self) -> float:
        """Jobs a second against the best of Celery in this round."""
        return self.own.per_second / max(self.celery.values())


def one_round(
    stack: Stack, celery: CeleryRounds | None, processes: Sequence[int], backlog: int, seconds: float
) -> Round:
    """Everybody once."""
    return Round(
        measure(ours, stack.kafka_bootstrap, backlog, seconds),
        measure(plain, stack.kafka_bootstrap, backlog, seconds),
        {number: celery.per_second(number, backlog) for number in processes} if celery else {},
    )


def table_of(rounds: Sequence[Round]) -> Table:
    """Medians over the rounds."""
    table = Table("", "JOBS A SECOND", f"MEDIAN AT {RATE:g} A SECOND", "95 %")
    for name, found in (("GPU runtime", [r.own for r in rounds]), ("plain loop", [r.plain for r in rounds])):
        times = (statistics.median(values) for values in zip(*((f.median, f.p95) for f in found), strict=True))
        table.add_row(
            name, _spread([f.per_second for f in found], ".0f"), *(f"{1000 * value:.1f} ms" for value in times)
        )
    for number in rounds[0].celery:
        table.add_row(f"Celery, {number} processes", _spread([r.celery[number] for r in rounds], ".0f"))
    return table


def _spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def verdict(rounds: Sequence[Round], absent: Sequence[str]) -> tuple[list[str], int]:
    """What follows, in lines, and the exit code; `absent` says why there is nothing of Celery."""
    more = statistics.median(r.more for r in rounds)
    lines = [f"median above the plain loop: {1000 * more:.1f} ms, wanted: at most {1000 * MOST_MORE:g}"]
    kept = more <= MOST_MORE
    if absent:
        lines += [f"the comparison with Celery was left out: {reason}" for reason in absent]
        return lines, LEFT_OUT if kept else MISSED
    ratios = [r.ratio for r in rounds]
    lines.append(
        f"jobs a second against the best of Celery: {_spread(ratios, '.2f')}, wanted: at least {LEAST_RATIO:g}"
    )
    return lines, 0 if kept and statistics.median(ratios) >= LEAST_RATIO else MISSED


def main(
    backlog: Annotated[int, typer.Option(help="Jobs that wait at once.")] = 5_000,
    seconds: Annotated[float, typer.Option(help="Of the steady stream.")] = 20.0,
    rounds: Annotated[int, typer.Option(help="In turns.")] = 3,
    processes: Annotated[list[int] | None, typer.Option(help="Of a Celery worker; several times. [2, 4 and 8]")] = None,
    fsync: Annotated[bool, typer.Option(help="Whether PostgreSQL waits for the disk, which Kafka does not.")] = True,
) -> None:
    """Measure and print."""
    console, absent = Console(), missing()
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="gpu-cost-")))
        stack = parts.enter_context(Stack(folder / "stack", durable=fsync))
        celery = None if absent else parts.enter_context(CeleryRounds(folder, stack.postgres_dsn()))
        found = [one_round(stack, celery, processes or (2, 4, 8), backlog, seconds) for _ in range(rounds)]
    console.print(table_of(found))
    lines, code = verdict(found, absent)
    console.print(*lines, sep="\n", soft_wrap=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)
