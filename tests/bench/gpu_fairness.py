"""A recording of three hours in front of short ones, on one partition: what the short ones lose and what the long one keeps.

python -m tests.bench.gpu_fairness

The engine is the fake one, 50 times as fast as real time. Exit code 1 when the short ones take more than 1.25 times as long
as alone, or the long one gets less than a tenth of the audio that is worked through meanwhile.
"""

import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console
from rich.table import Table

from deploy.local.stack import Stack
from schemas.events import JobProgress, JobRequested, Source
from schemas.retries.schedules import LADDER
from schemas.vocabulary.scheduling import BYTES_PER_SECOND
from tests.integration.gpu import SERDE, GpuGroup, member

SPEED = 50.0
WORKERS = 8
MOST_RATIO = 1.25
LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Found:
    """Seconds that the short ones took alone and behind the long one, and the long one's share of the audio meanwhile."""

    alone: float
    behind: float
    share: float

    @property
    def ratio(self) -> float:
        return self.behind / self.alone

    @property
    def kept(self) -> bool:
        return self.ratio <= MOST_RATIO and self.share >= LEAST_SHARE


def recording(seconds: float) -> JobRequested:
    """A job that takes as long as the fake engine needs for so many seconds of audio."""
    source = Source(uri="https://example.org/a.wav", size_bytes=int(seconds * BYTES_PER_SECOND))
    orders = {"fake-seconds": str(seconds / SPEED)}
    return JobRequested(job_id=uuid4(), tenant="acme", source=source, requested_at=datetime.now(UTC), metadata=orders)


def one_partition(bootstrap: str) -> GpuGroup:
    """Topics of a group with one partition each."""
    name = f"bench.fair.{uuid4().hex[:8]}"
    group = GpuGroup(bootstrap, name, *(f"{name}.{part}" for part in ("jobs", "results", "progress")))
    names = [group.jobs, group.results, group.progress, group.dlq, *(group.retry(step) for step in LADDER.steps)]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics([NewTopic(topic, 1, 1) for topic in names]).values():
        made.result()
    return group


def took(bootstrap: str, short: int, seconds: float, long: JobRequested | None) -> tuple[float, float]:
    """How long the short ones took, and how much of the long one's audio was done in that time."""
    group = one_partition(bootstrap)
    jobs = [recording(seconds) for _ in range(short)]
    group.publish(*([long] if long else []), *jobs)
    with member(group, workers=WORKERS, drain_seconds=0.1):
        while not group.job_results():
            time.sleep(0.02)
        group.await_results(short, seconds=600)
        ends = sorted(result.completed_at for result in group.job_results())
        progress = [SERDE.decode(message.value(), JobProgress) for message in group.read(group.progress)]
    begun = min(event.at for event in progress)
    own = [event.done_seconds for event in progress if long and event.job_id == long.job_id and event.at <= ends[-1]]
    return (ends[-1] - begun).total_seconds(), max(own, default=0.0) * SPEED


def measure(bootstrap: str, short: int, seconds: float, hours: float) -> Found:
    """Both, one after the other."""
    alone, _ = took(bootstrap, short, seconds, None)
    behind, done = took(bootstrap, short, seconds, replace(recording(hours * 3600)))
    return Found(alone, behind, done / (done + short * seconds))


def main(
    short: Annotated[int, typer.Option(help="Short recordings.")] = 500,
    seconds: Annotated[float, typer.Option(help="Of each.")] = 20.0,
    hours: Annotated[float, typer.Option(help="Of the long one.")] = 3.0,
) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="fairness-") as folder, Stack(Path(folder) / "stack") as stack:
        found = measure(stack.kafka_bootstrap, short, seconds, hours)
    table = Table("SHORT ONES ALONE", "BEHIND THE LONG ONE", "RATIO", "SHARE OF THE LONG ONE")
    table.add_row(f"{found.alone:.1f} s", f"{found.behind:.1f} s", f"{found.ratio:.2f}", f"{found.share:.2f}")
    Console().print(table)
    raise typer.Exit(0 if found.kept else 1)


if __name__ == "__main__":
    typer.run(main)
