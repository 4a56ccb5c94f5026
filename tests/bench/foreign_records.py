"""Jobs of several tenants, alone, beside a stranger who writes to every topic, and beside a busy neighbour: who ends, who waits.

python -m tests.bench.foreign_records --seed 1

What the stranger writes is work, for all processes and servers on the same machine, and much of it is whole jobs. The neighbour
is the control: a tenant who sends as many plain jobs as the stranger sends readable ones, at the same pace. The report says
what a record of the stranger takes of the processor, and how busy the machine was: where it has nothing left, jobs wait for
that and not for one another.
"""

import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from deploy.local.stack import Stack
from schemas import topics
from tests.bench.foreign_mutations import Mutation, event_at, mutations
from tests.bench.machine_load import Load, total
from tests.integration.foreign.clients import Foreign, Librdkafka
from tests.integration.foreign.goods import TOPICS, asked, foreign
from tests.integration.foreign.service import ENDED, PROCESSES, WholeService, whole_service
from tests.streams.jobs import new_job

TENANTS = ("acme", "globex", "initech")
NEIGHBOUR = "umbrella"
CODECS = ("snappy", "lz4", "zstd")
KEYED = [topic.name for topic in topics.TOPICS.values() if "compact" in topic.cleanup]
SLOWER = 1.5  # the p99 of a job's time with the stranger, in relation to that without
PATIENCE_SECONDS = 60.0  # without any news
BATCH = 5  # records that the stranger writes at once
WARM_UP_SECONDS = 10.0
WARM_UP_COUNT = 5  # of mutations a topic


class Beside(Enum):
    """Who else writes while the good jobs flow."""

    NOBODY = "nobody"
    STRANGER = "the stranger"
    NEIGHBOUR = "a busy neighbour"


@dataclass
class Phase:
    """Some seconds beside somebody: when each good job was sent, the stranger's records, and what all of it took."""

    beside: Beside
    sent: dict[UUID, float] = field(default_factory=dict)
    neighbours: set[UUID] = field(default_factory=set)
    records: int = 0
    load: Load = field(default_factory=lambda: Load(0, 0, 0))


@dataclass(frozen=True)
class Report:
    """What came of it; job times in seconds from the record to the webhook."""

    seconds: Mapping[Beside, Sequence[float]]
    loads: Mapping[Beside, Load]
    unended: Sequence[UUID]
    records: Counter[str]
    readable: int
    readable_unended: Sequence[str]
    waiting_rows: int
    waiting_hooks: int
    processes: dict[str, int]
    loud_records: int

    @property
    def job_ms(self) -> float:
        """The processor's milliseconds for a good job, and what goes on anyway meanwhile."""
        return 1000 * self.loads[Beside.NOBODY].own / len(self.seconds[Beside.NOBODY])

    @property
    def record_ms(self) -> float:
        """The processor's milliseconds for a record of the stranger."""
        own = self.loads[Beside.STRANGER].own - self.job_ms / 1000 * len(self.seconds[Beside.STRANGER])
        return 1000 * own / self.loud_records

    def slower(self, than: Beside) -> float:
        """The p99 with the stranger in relation to that of other phases."""
        return p99(self.seconds[Beside.STRANGER]) / p99(self.seconds[than])

    @property
    def broken(self) -> list[str]:
        """The promises that did not hold, but for that about time."""
        promises = {
            "no process ended": not self.processes,
            "every good job ended": not self.unended,
            "every readable job of the stranger ended": not self.readable_unended,
            "no row waits": self.waiting_rows == 0,
            "no webhook waits": self.waiting_hooks == 0,
        }
        return [promise for promise, held in promises.items() if not held]


def p99(seconds: Sequence[float]) -> float:
    """The time within which 99 of 100 jobs end."""
    return sorted(seconds)[int(0.99 * (len(seconds) - 1))]


class Run:
    """One service, good jobs at an even rate all the time, and phase by phase nobody, the stranger or a neighbour beside."""

    def __init__(self, service: WholeService, *, rate: float, seed: int) -> None:
        self.phases: list[Phase] = []
        self.mutations: list[Mutation] = []
        self.records: Counter[str] = Counter()
        self.arrived: dict[UUID, float] = {}
        self._service = service
        self._rate = rate
        self._client = Librdkafka(service.bootstrap)
        self._chance = random.Random(seed)
        self._stopped = threading.Event()

    def warm_up(self, seconds: float, planned: Sequence[Mutation]) -> None:
        """Jobs that are not counted, and some of the stranger's: the first of each process take longer."""
        self.phase(seconds, planned, Beside.STRANGER)
        self.phases.clear()

    def phase(self, seconds: float, planned: Sequence[Mutation], beside: Beside) -> None:
        """Good jobs for so long, and beside them what the stranger has planned, or as many jobs of a neighbour."""
        phase = Phase(beside)
        self.phases.append(phase)
        began, records = Load.now(), self.records.total()
        writer = threading.Thread(target=self._write_beside, args=(phase, planned, seconds))
        writer.start()
        self._good(phase, seconds)
        writer.join()
        drained(self._service, phase, planned if beside is Beside.STRANGER else ())
        phase.load, phase.records = Load.now().since(began), self.records.total() - records

    def _write_beside(self, phase: Phase, planned: Sequence[Mutation], seconds: float) -> None:
        if phase.beside is Beside.STRANGER:
            self._write(planned, seconds)
        elif phase.beside is Beside.NEIGHBOUR:
            self._join_in(phase, planned, seconds)

    def _good(self, phase: Phase, seconds: float) -> None:
        began = due = time.monotonic()
        names = cycle((topics.JOBS, topics.JOBS_EXPRESS))
        while (now := time.monotonic()) - began < seconds:
            job = new_job(tenant=self._chance.choice(TENANTS), webhook_url=self._service.receiver.url)
            record = foreign(self._service, next(names), asked(job), partition=self._chance.randrange(2))
            phase.sent[job.job_id] = now
            self._client.send(record, linger_ms=0)
            due += 1 / self._rate
            time.sleep(max(0.0, due - time.monotonic()))

    def _join_in(self, phase: Phase, planned: Sequence[Mutation], seconds: float) -> None:
        """A plain job of the neighbour for every job that the stranger would have written."""
        began = time.monotonic()
        client = Librdkafka(self._service.bootstrap)
        names = cycle((topics.JOBS, topics.JOBS_EXPRESS))
        jobs = len({mutation.job[0] for mutation in planned if mutation.job is not None})
        for number in range(jobs):
            job = new_job(tenant=NEIGHBOUR, webhook_url=self._service.receiver.url)
            phase.neighbours.add(job.job_id)
            client.send(foreign(self._service, next(names), asked(job), partition=number % 2), linger_ms=0)
            time.sleep(max(0.0, began + seconds * (number + 1) / jobs - time.monotonic()))

    def _write(self, planned: Sequence[Mutation], seconds: float) -> None:
        """The mutations at an even pace in all codecs, and with each batch a record without key and value."""
        began = time.monotonic()
        client = Librdkafka(self._service.bootstrap)
        for first in range(0, len(planned), BATCH):
            batch = planned[first : first + BATCH]
            codec = CODECS[first // BATCH % len(CODECS)]
            self.records.update(mutation.how for mutation in batch)
            empty = [
                Foreign(topic, None)
                for topic in {mutation.record.topic for mutation in batch}
                if topic not in map(self._service.topic, KEYED)
            ]
            self.records["neither key nor value"] += len(empty)
            client.send(*(mutation.record for mutation in batch), *empty, compression_type=codec, linger_ms=5)
            self.mutations += batch
            time.sleep(max(0.0, began + seconds * (first + BATCH) / len(planned) - time.monotonic()))


def run(
    stack: Stack, folder: Path, *, seconds: float, rounds: int, rate: float, count: int, seed: int, say: Console
) -> Report:
    """`rounds` times a phase alone, beside the stranger, who writes `count` mutations a topic in all, and beside the neighbour."""
    with whole_service(stack, folder, (*PROCESSES, "relay")) as service:
        work = Run(service, rate=rate, seed=seed)
        planned = plan(service, count, seed)
        say.print(f"{len(planned):,} mutations on {len(TOPICS)} topics, {rounds} × {len(Beside)} × {seconds:g} s")
        work.warm_up(min(WARM_UP_SECONDS, seconds), plan(service, WARM_UP_COUNT, seed + 1))
        share = -(-len(planned) // rounds)
        for number in range(rounds):
            for beside in Beside:
                work.phase(seconds, planned[number * share : (number + 1) * share], beside)
        return judged(service, work)


def plan(service: WholeService, count: int, seed: int) -> list[Mutation]:
    """All mutations of all topics, in an order of the seed."""
    found = [m for name in TOPICS for m in mutations(service, name, event_at(name), count, seed)]
    random.Random(seed).shuffle(found)
    return found


def drained(service: WholeService, phase: Phase, strangers: Sequence[Mutation]) -> None:
    """Wait until the phase's good jobs are told, and the stranger's have ended, so that the next one begins with none of them."""
    for _ in still(lambda: len((phase.sent.keys() | phase.neighbours) - service.hooks().keys())):
        time.sleep(0.2)
    for _ in still(lambda: len(unended(service, strangers))):
        time.sleep(0.2)


def unended(service: WholeService, strangers: Sequence[Mutation]) -> dict[UUID, Mutation]:
    """The stranger's readable jobs that have no end yet."""
    rows = service.rows()
    owed = {m.job[0]: m for m in strangers if m.job is not None}
    return {job_id: m for job_id, m in owed.items() if job_id not in rows or rows[job_id].state not in ENDED}


def still(left: Callable[[], int]) -> Iterator[int]:
    """How much is left, as long as it becomes less within PATIENCE_SECONDS."""
    best, news = left(), time.monotonic()
    while best and time.monotonic() - news < PATIENCE_SECONDS:
        yield best
        if (now := left()) < best:
            best, news = now, time.monotonic()


def judged(service: WholeService, work: Run) -> Report:
    """Wait for all that is owed, and say what did not come."""
    for _ in still(lambda: len(unended(service, work.mutations))):
        time.sleep(0.5)
    times = times_of(service)
    waiting = [row for row in service.rows().values() if row.state not in ENDED]
    good = {job_id for phase in work.phases for job_id in (*phase.sent, *phase.neighbours)}
    lacking = [
        f"{m.how}: {m.record.topic} {job_id} {m.record.value!r:.120}"
        for job_id, m in unended(service, work.mutations).items()
    ]
    loud = [phase for phase in work.phases if phase.beside is Beside.STRANGER]
    return Report(
        seconds={
            beside: [
                times[job_id] - sent
                for phase in work.phases
                if phase.beside is beside
                for job_id, sent in phase.sent.items()
                if job_id in times
            ]
            for beside in Beside
        },
        loads={beside: total(phase.load for phase in work.phases if phase.beside is beside) for beside in Beside},
        unended=[job_id for job_id in good if job_id not in times],
        records=work.records,
        readable=len({m.job[0] for m in work.mutations if m.job is not None}),
        readable_unended=lacking,
        waiting_rows=len(waiting),
        waiting_hooks=len(service.waiting_hooks()),
        processes=service.ended_processes,
        loud_records=sum(phase.records for phase in loud),
    )


def times_of(service: WholeService) -> dict[UUID, float]:
    """When the first webhook of each job came, in monotonic seconds."""
    found: dict[UUID, float] = {}
    for at, call in list(service.arrivals):
        found.setdefault(UUID(json.loads(call.body)["data"]["job_id"]), at)
    return found


def shown(report: Report) -> Table:
    """The report as a table."""
    table = Table(title="A stranger on every topic", title_justify="left", show_header=False)
    for label, value in (
        ("what the stranger wrote", ", ".join(f"{n:,} {what}" for what, n in sorted(report.records.items()))),
        ("processes that ended", ", ".join(report.processes) or "0"),
        ("good jobs, and those without an end", f"{sum(map(len, report.seconds.values())):,}, {len(report.unended)}"),
        ("readable jobs of the stranger, without an end", f"{report.readable:,}, {len(report.readable_unended)}"),
        ("rows, webhooks that wait", f"{report.waiting_rows}, {report.waiting_hooks}"),
        ("good jobs beside", _each(report, lambda beside: beside.value)),
        ("p99, seconds", _each(report, lambda beside: f"{p99(report.seconds[beside]):.3f}")),
        ("median, seconds", _each(report, lambda beside: f"{median(report.seconds[beside]):.3f}")),
        ("p99 with the stranger against", _each(report, lambda beside: f"{report.slower(beside):.2f}")),
        ("processor: a good job, a record of the stranger", f"{report.job_ms:.0f} ms, {report.record_ms:.1f} ms"),
        ("the stranger's records a second", f"{report.loud_records / report.loads[Beside.STRANGER].at:.0f}"),
        ("of the machine: busy", _each(report, lambda beside: f"{report.loads[beside].share:.0%}")),
        ("of that, others", _each(report, lambda beside: f"{report.loads[beside].share_of_others:.0%}")),
    ):
        table.add_row(label, value)
    return table


def _each(report: Report, value: Callable[[Beside], str]) -> str:
    """A value for every kind of phase that there was."""
    return ", ".join(value(beside) for beside in report.seconds)


def main(
    seed: Annotated[int, typer.Option(help="Of the mutations.")] = 1,
    seconds: Annotated[float, typer.Option(help="Of each phase.")] = 30,
    rounds: Annotated[int, typer.Option(help="Of three phases: alone, beside the stranger, beside a neighbour.")] = 12,
    rate: Annotated[float, typer.Option(help="Good jobs a second.")] = 5,
    count: Annotated[int, typer.Option(help="Mutations a topic.")] = 1000,
) -> None:
    """Write to every topic what nobody should; exit code 1 when a promise was broken."""
    say = Console()
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="scribe-foreign-")))
        stack = cleanup.enter_context(Stack(folder / "stack", durable=False, say=say))
        report = run(stack, folder / "run", seconds=seconds, rounds=rounds, rate=rate, count=count, seed=seed, say=say)
    say.print(shown(report))
    broken = [*report.broken, *([f"at most {SLOWER} times as long"] if report.slower(Beside.NOBODY) > SLOWER else [])]
    for promise in broken:
        say.print(f"[bold red]broken[/] {promise}")
    for what in report.readable_unended[:20]:
        say.print(what, markup=False)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    typer.run(main)
