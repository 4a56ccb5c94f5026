"""Jobs that two `scribe-api` accept a second, durable, beside two bare FastAPI handlers: `python -m tests.bench.accept_rate`.

All four are there all the time, on one PostgreSQL that waits for the disk at each commit; a load of 16 kept connections goes
to each process of a pair at once, to one pair and the other in turns. The bare handlers insert the same three rows in a
transaction; the shim checks key and policy besides, acts under row security, and answers with the whole job.

Exit code 1 when fewer jobs are accepted than are wanted, or the slowest of a hundred wait too long beside the bare handlers'.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from deploy.local import ports
from tests.bench import http_load
from tests.bench.http_load import Load, Rate
from tests.bench.shim import BODY, JSON, key_of, migrated, running

WANTED_JOBS = 1000.0  # a second, of both processes
WANTED_P99 = 2.0  # at most so many times that of the bare handlers
PROCESSES = ("first", "second")
Pair = Sequence[tuple[Load, psutil.Process]]


def measured(pair: Pair, seconds: float) -> Rate:
    """The rate of both processes together, and the slower one's times."""
    with ThreadPoolExecutor(len(pair)) as threads:
        rates = list(threads.map(lambda each: http_load.measure(each[0], seconds, each[1]), pair))
    return Rate(
        sum(rate.per_second for rate in rates),
        max(rate.median_ms for rate in rates),
        all(rate.well for rate in rates),
        statistics.mean(rate.cpu_ms for rate in rates),
        max(rate.p99_ms for rate in rates),
    )


def verdict(rounds: Sequence[tuple[Rate, Rate]]) -> list[str]:
    """What was missed, in lines; `rounds` of the bare handlers and the shim."""
    accepted = statistics.median(shim.per_second for _, shim in rounds)
    slower = statistics.median(shim.p99_ms / bare.p99_ms for bare, shim in rounds)
    lines = [f"{accepted:.0f} jobs a second, {WANTED_JOBS:g} wanted"] if accepted < WANTED_JOBS else []
    lines += [f"p99 {slower:.2f} times the bare handlers', {WANTED_P99:g} at most"] if slower > WANTED_P99 else []
    return [*lines, *(["not every request ended well"] if not all(r.well for pair in rounds for r in pair) else [])]


def table_of(rounds: Sequence[tuple[Rate, Rate]]) -> Table:
    """Medians over the rounds."""
    table = Table("", "A SECOND", "MEDIAN", "P99", "CPU OF A REQUEST")
    for name, rates in zip(("bare handlers", "shim"), zip(*rounds, strict=True), strict=True):
        per_second, median, p99, cpu = (
            statistics.median(values)
            for values in zip(*((r.per_second, r.median_ms, r.p99_ms, r.cpu_ms) for r in rates), strict=True)
        )
        table.add_row(name, f"{per_second:.0f}", f"{median:.1f} ms", f"{p99:.1f} ms", f"{cpu:.2f} ms")
    return table


def main(
    seconds: Annotated[float, typer.Option(help="Of each turn.")] = 5.0,
    rounds: Annotated[int, typer.Option(help="In turns.")] = 5,
    fsync: Annotated[bool, typer.Option(help="Whether PostgreSQL waits for the disk at each commit.")] = True,
) -> None:
    """Measure and print."""
    console = Console(width=120)
    if reason := http_load.missing():
        console.print(reason)
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="accept-")))
        postgres, environment = parts.enter_context(migrated(folder, fsync))
        key = asyncio.run(key_of(postgres.dsn()))
        bare, shim = list[tuple[Load, psutil.Process]](), list[tuple[Load, psutil.Process]]()
        for port in ports.choose([f"bare {name}" for name in PROCESSES], {}, {}).values():
            url, process = parts.enter_context(running("tests.bench.bare_shim", [str(port)], port, environment))
            bare.append((Load(f"{url}/transcribe", "POST", JSON, BODY), process))
        for port in ports.choose([f"shim {name}" for name in PROCESSES], {}, {}).values():
            url, process = parts.enter_context(running("producers.api", ["--port", str(port)], port, environment))
            own = {"X-API-Key": key, **JSON}
            shim.append((Load(f"{url}/api/v1/transcribe", "POST", own, BODY), process))
        found = [(measured(bare, seconds), measured(shim, seconds)) for _ in range(rounds)]
    console.print(table_of(found))
    if lines := verdict(found):
        console.print(*lines, sep="\n")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
