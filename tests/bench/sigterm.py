"""Processes that are told to end at random moments under load: how each ends, and how long that takes; exit code 1 when one must be killed.

python -m tests.bench.sigterm --ends 200 --seed 1

Every process has one connection to the database, for which all that it does waits.
"""

import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deploy.local import process
from deploy.local.receiver import Receiver
from deploy.local.service import ServiceProcesses
from deploy.local.stack import Stack
from sink.process.termination import EXIT_CODE
from tests.bench.sigterm_load import Load

TARGETS = ("api", "relay", "persist", "enhance", "webhooks", "dispatch", "retention")
SMALL = {
    "SCRIBE_POSTGRES_POOL_SIZE": "1",
    "SCRIBE_RETENTION_MINUTES": "0.02",
    "SCRIBE_TIME_SCALE": "0.01",
    "SCRIBE_LOG_LEVEL": "info",
}
STARTING = 0.25  # of the ends come while the process starts
STARTING_SECONDS = 10.0
WORKING_SECONDS = 3.0
READY_SECONDS = 90.0  # a process that is not ready by then is told to end as it is
KILL_SECONDS = 120.0  # longer than any process gives itself


@dataclass(frozen=True)
class End:
    """How a process ended, and how many seconds after the signal."""

    name: str
    working: bool
    signal: int
    code: int
    seconds: float
    killed: bool

    @property
    def in_order(self) -> bool:
        """Whether it ended well; Python itself takes the signal while it reads its modules."""
        return self.code == 0 or (not self.working and self.code == -self.signal)


@dataclass(frozen=True)
class Report:
    """What came of a run."""

    ends: Sequence[End]
    jobs: int
    webhooks: int

    @property
    def broken(self) -> list[str]:
        """What was not as promised."""
        found = [f"{end.name} needed SIGKILL" for end in self.ends if end.killed]
        found += [f"{end.name} ended with {end.code}" for end in self.ends if not end.killed and not end.in_order]
        return [*found, *(() if self.webhooks else ("no webhook came: there was no load",))]

    def table(self) -> Table:
        """By process."""
        columns = ("process", "ends", "starting", "SIGKILL", "by force", "exit codes", "seconds: median", "slowest")
        table = Table(*columns, title=f"{len(self.ends)} ends, {self.jobs} jobs, {self.webhooks} webhooks")
        for name in TARGETS:
            ends = [end for end in self.ends if end.name == name]
            if ends:
                codes = Counter(end.code for end in ends)
                seconds = [end.seconds for end in ends]
                table.add_row(
                    name,
                    str(len(ends)),
                    str(sum(not end.working for end in ends)),
                    str(sum(end.killed for end in ends)),
                    str(codes[EXIT_CODE]),
                    ", ".join(f"{code}: {number}" for code, number in sorted(codes.items())),
                    f"{statistics.median(seconds):.2f}",
                    f"{max(seconds):.2f}",
                )
        return table


@dataclass
class Run:
    """Starts processes and has them end, each so often as `numbers` says."""

    service: ServiceProcesses
    numbers: Mapping[str, int]
    seed: int
    ends: list[End] = field(default_factory=list)

    def done(self, bar: Progress) -> None:
        """Until all have ended so often; those of one name one after the other."""
        task = bar.add_task("ends", total=sum(self.numbers.values()))
        threads = [threading.Thread(target=self._lives, args=(name,), daemon=True) for name in self.numbers]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            bar.update(task, completed=len(self.ends))
            time.sleep(0.2)

    def _lives(self, name: str) -> None:
        for number in range(self.numbers[name]):
            self.ends.append(self._life(name, random.Random(f"{self.seed}/{name}/{number}"), first=number == 0))
        if len(self.ends) + len(self.numbers) < sum(self.numbers.values()):
            self.service.start(name)  # the others go on to have work

    def _life(self, name: str, chance: random.Random, *, first: bool) -> End:
        working = chance.random() >= STARTING or first
        if not first:
            self.service.start(name)
        identity = self.service.running[name]
        if working:
            deadline = time.monotonic() + READY_SECONDS
            while not self.service.is_ready(name) and time.monotonic() < deadline:
                time.sleep(0.05)
        time.sleep(chance.uniform(0, WORKING_SECONDS if working else STARTING_SECONDS))
        number = chance.choice((signal.SIGTERM, signal.SIGTERM, signal.SIGTERM, signal.SIGINT))
        return self._ended(name, identity, number, working=working)

    def _ended(self, name: str, identity: process.ProcessId, number: int, *, working: bool) -> End:
        child = process._CHILDREN[identity.pid]
        asked = time.monotonic()
        process.send(identity, number)
        ended = partial(End, name, working, number)
        try:
            return ended(child.wait(KILL_SECONDS), time.monotonic() - asked, killed=False)
        except subprocess.TimeoutExpired:
            process.kill(identity)
            return ended(child.wait(), time.monotonic() - asked, killed=True)


@contextmanager
def serving(folder: Path, say: Console) -> Iterator[tuple[ServiceProcesses, str]]:
    """The service without GPU processes on a stack of its own; and an API key."""
    with ExitStack() as cleanup:
        stack = cleanup.enter_context(Stack(folder / "stack", durable=False, say=say))
        service = ServiceProcesses({**stack.environment(), **SMALL}, folder / "service", names=(*TARGETS, "ai"))
        cleanup.callback(service.stop)
        key = service.prepare()
        service.start()
        service.wait_ready()
        service.wait_for_consent()
        yield service, key


def run(folder: Path, numbers: Mapping[str, int], seed: int, say: Console) -> Report:
    """End processes at random moments under load."""
    with serving(folder, say) as (service, key), Receiver() as receiver:
        run = Run(service, numbers, seed)
        with Load(service, key, receiver.url) as load, Progress(console=say, transient=True) as bar:
            receiver.wait(bool, READY_SECONDS)  # so that there is work everywhere
            run.done(bar)
        return Report(run.ends, load.jobs, len(receiver.calls))


def spread(ends: int, targets: Sequence[str] = TARGETS) -> dict[str, int]:
    """So many ends, shared evenly."""
    return {name: ends // len(targets) + (place < ends % len(targets)) for place, name in enumerate(targets)}


def main(
    ends: Annotated[int, typer.Option(help="Signals, over all processes together.", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="What all moments are drawn from.")] = 1,
    keep: Annotated[Path | None, typer.Option(help="Folder for data and logs, which then stay.")] = None,
) -> None:
    """End processes at random moments, and tell how they took it."""
    # a shell has what it starts behind it ignore SIGINT, and processes inherit that until they say otherwise
    signal.signal(signal.SIGINT, signal.default_int_handler)
    say = Console()
    with tempfile.TemporaryDirectory(prefix="scribe-sigterm-") as temporary:
        report = run(keep or Path(temporary), spread(ends), seed, say)
    say.print(report.table())
    for line in report.broken:
        say.print(line)
    sys.exit(1 if report.broken else 0)


if __name__ == "__main__":
    typer.run(main)
