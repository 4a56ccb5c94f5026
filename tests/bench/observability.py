"""What metrics, logs and traces cost together: CPU seconds a job of all processes, with and without them.

python -m tests.bench.observability

Two services run side by side, each on a stack of its own: one as it is, with a collector that takes its spans and scrapes
of every process, the other one blind (tests.bench.unobserved). Their GPU processes do nothing (`--fake`), so what is
measured is the service around an engine and not the engine, beside which all this would vanish. In turns each gets a burst
of jobs over REST with a webhook each; CPU seconds are those of its processes from the first request to the last webhook.

Exit code 1 when the upper bound of the 95 % interval of the mean is over 5 %.
"""

import math
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer
from rich.console import Console

from deploy.local import ports
from deploy.local.receiver import Receiver
from deploy.local.service import COMMANDS, OURS, ServiceProcesses
from deploy.local.stack import Stack
from tests.collector import Collector

MOST = 0.05
SCRAPE_SECONDS = 15.0
PATIENCE = 180.0
CLIENTS = 4
# Student's t for 97.5 %, by degrees of freedom
STUDENT = {9: 2.262, 10: 2.228, 11: 2.201, 12: 2.179, 13: 2.160, 14: 2.145, 15: 2.131, 19: 2.093, 24: 2.064, 29: 2.045}
BLIND = "tests.bench.unobserved"
FAKE = ("--stages", "transcribe", "--fake")


@dataclass(frozen=True)
class Pair:
    """CPU seconds a job of both, one after the other."""

    seeing: float
    blind: float

    @property
    def more(self) -> float:
        """What seeing costs, as a part of what it costs to be blind."""
        return self.seeing / self.blind - 1


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean and the bounds of its 95 % interval; of at least 10 values."""
    freedom = len(values) - 1
    # between two lines of the table the larger value, which makes the interval wider
    student = STUDENT[max(known for known in STUDENT if known <= freedom)]
    half = student * statistics.stdev(values) / math.sqrt(len(values))
    mean = statistics.mean(values)
    return mean, mean - half, mean + half


def commands(*, blind: bool) -> Mapping[str, tuple[str, ...]]:
    """How the processes of a service are started."""
    own = {name: COMMANDS[name] for name in OURS} | {"gpu": ("gpu_consumers", *FAKE)}
    return {name: (BLIND, *words) for name, words in own.items()} if blind else own


@contextmanager
def service(folder: Path, receiver: Receiver, collector: Collector | None) -> Iterator["Arm"]:
    """A running service on a stack of its own; blind without a collector."""
    with Stack(folder / "stack") as stack:
        environment = stack.environment() | {"SCRIBE_ENVIRONMENT": "development", "ENHANCED_AI_ENDPOINT": ""}
        if collector is not None:
            environment["SCRIBE_OTLP_ENDPOINT"] = collector.endpoint
        found = ServiceProcesses(
            environment, folder / "service", names=OURS, commands=commands(blind=collector is None)
        )
        try:
            key = found.prepare()
            found.start()
            found.wait_ready()
            yield Arm(found, key, receiver)
        finally:
            found.stop()


class Arm:
    """A service that is given bursts of jobs."""

    def __init__(self, service: ServiceProcesses, key: str, receiver: Receiver) -> None:
        self._service = service
        self._receiver = receiver
        self._headers = {"X-API-Key": key}

    def burst(self, jobs: int) -> float:
        """CPU seconds a job, from the first request to the last webhook."""
        before, heard = self._cpu(), len(self._receiver.calls)
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._submit, [jobs // CLIENTS] * CLIENTS))
        wanted = heard + jobs // CLIENTS * CLIENTS
        assert self._receiver.wait(lambda calls: len(calls) >= wanted, PATIENCE), "webhooks are missing"
        return (self._cpu() - before) / (wanted - heard)

    def scrape(self) -> None:
        """As Prometheus does."""
        for name in OURS:
            httpx.get(f"http://{ports.HOST}:{self._service.chosen[name]}/metrics", trust_env=False, timeout=10)

    def _submit(self, jobs: int) -> None:
        body = {
            "url": "https://media.example/call.wav",
            "webhook_url": self._receiver.url,
            "metadata": {"fake-seconds": "0"},
        }
        with httpx.Client(base_url=self._service.api_url, headers=self._headers, trust_env=False, timeout=60) as client:
            for _ in range(jobs):
                assert client.post("/api/v1/transcribe", json=body).status_code == 202

    def _cpu(self) -> float:
        roots = [found for each in self._service.running.values() if (found := each.process()) is not None]
        every = [child for root in roots for child in (root, *root.children(recursive=True))]
        times = [process.cpu_times() for process in every if psutil.pid_exists(process.pid)]
        return sum(each.user + each.system for each in times)


@contextmanager
def scraped(arm: Arm) -> Iterator[None]:
    """Scrape a service every now and then while the block runs."""
    ended = threading.Event()

    def scrape() -> None:
        while not ended.wait(SCRAPE_SECONDS):
            arm.scrape()

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def measure(pairs: int, jobs: int, warm_up: int) -> tuple[list[Pair], int]:
    """The pairs, and the number of spans that were told."""
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="observability-")))
        collector = parts.enter_context(Collector())
        receivers = [parts.enter_context(Receiver()) for _ in range(2)]
        seeing = parts.enter_context(service(folder / "seeing", receivers[0], collector))
        blind = parts.enter_context(service(folder / "blind", receivers[1], None))
        for arm in (seeing, blind):
            arm.burst(warm_up)
        parts.enter_context(scraped(seeing))
        found = []
        for number in range(pairs):
            # first the one, then the other: what drifts meanwhile favours neither
            if number % 2:
                least = blind.burst(jobs)
                found.append(Pair(seeing.burst(jobs), least))
            else:
                most = seeing.burst(jobs)
                found.append(Pair(most, blind.burst(jobs)))
            time.sleep(1)  # for what comes after the last webhook, such as progress
        return found, len(collector.spans)


def main(
    pairs: Annotated[int, typer.Option(min=10, help="Of bursts.")] = 12,
    jobs: Annotated[int, typer.Option(help="Of a burst.")] = 200,
    warm_up: Annotated[int, typer.Option(help="Jobs before the first one.")] = 100,
) -> None:
    """Measure and print."""
    console = Console()
    found, spans = measure(pairs, jobs, warm_up)
    for pair in found:
        console.print(f"{1000 * pair.seeing:6.2f} ms a job, blind {1000 * pair.blind:6.2f} ms: {pair.more:+.1%}")
    mean, low, high = interval([pair.more for pair in found])
    console.print(
        f"more CPU seconds a job: {mean:+.1%}, 95 % interval {low:+.1%} to {high:+.1%}, wanted: at most {MOST:.0%}"
    )
    console.print(f"{spans} spans were told")
    raise typer.Exit(0 if high <= MOST else 1)


if __name__ == "__main__":
    typer.run(main)
