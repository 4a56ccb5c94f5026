"""What a run consists of, all of it drawn from its seed: the jobs, and the faults with their moments."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from itertools import cycle, islice
from uuid import UUID, uuid5

from deploy.local.kafka import broker_name
from schemas.events import JobRequested, Options, Source
from schemas.process.failpoints import REPLAY
from tests.chaos.places import AT_FAILPOINTS, CUTS, JOINER, PROCESSES, Place

TENANTS = ("acme", "globex", "initech")
SESSION_SECONDS = 4.0  # after which the broker of a run gives a silent member's partitions away
BROKER_SESSION_SECONDS = 3.0  # after which the controller counts a silent broker out
REPEATED = 0.3  # of the REST jobs
CANCELLED_LONGER = 4.0  # so that many are running when they are cancelled
_SPACE = UUID("6f3c1f9e-52a5-4c77-9d43-0b6f6a6d2f10")


class Door(StrEnum):
    """How a job comes in."""

    KAFKA = "kafka"
    OUTBOX = "outbox"
    REST = "rest"


class Kind(StrEnum):
    """What may go wrong."""

    KILL = "SIGKILL"
    STOP = "SIGSTOP"
    DRAIN = "SIGTERM"
    FAILPOINT = "SIGKILL at a failpoint"
    JOIN = "a member joins and leaves"
    BROKER = "broker restart"
    BROKER_STOP = "broker SIGSTOP"
    BROKER_DRAIN = "broker SIGTERM"
    POSTGRES = "PostgreSQL restart"
    S3_ERRORS = "S3 errors"
    S3_SLOW = "S3 slowness"
    CUT = "connection cut at a request"


OF_THREE = (Kind.BROKER_STOP, Kind.BROKER_DRAIN)
"""What is done only where other brokers take over."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How the jobs of a run come and end, as shares of all; seconds are the longest work on one.

    `large` have a result that no record holds. `rest` come by the REST door, whatever else was drawn; of those
    `rest_cancel` are cancelled, of the others `cancel`. `replay`: of those that can be replayed.
    """

    seconds: float = 2.0
    transient: float = 0.03
    permanent: float = 0.01
    kill: float = 0.0
    undecodable: float = 0.005
    diarize: float = 0.5
    outbox: float = 0.5
    webhook: float = 0.5
    rerun: float = 0.0
    large: float = 0.0
    rest: float = 0.0
    cancel: float = 0.0
    rest_cancel: float = 0.0
    replay: float = 0.0


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job, or a record that nobody can decode."""

    number: int
    job_id: UUID
    tenant: str
    door: Door
    outcome: str
    diarize: bool
    webhook: bool
    orders: Mapping[str, str]
    runs: tuple[int, ...] = (1,)
    cancel: float | None = None
    """How many seconds after its acceptance it is cancelled, its first run that is."""
    repeats: bool = False
    """Whether its client does not hear the first answer, and sends the request again."""
    replay: int | None = None
    """The replay that begins its second run."""

    @property
    def undecodable(self) -> bool:
        """Whether its record holds no event at all."""
        return self.outcome == "undecodable"

    @property
    def ends(self) -> str:
        """The state that its row must reach."""
        return "failed" if self.outcome in ("permanent", "kill") else "completed"

    def bytes(self) -> bytes:
        """The value of an undecodable record."""
        return b"no event: " + str(self.job_id).encode()

    @property
    def source(self) -> str:
        """Where its recording would be."""
        return f"https://example.org/{self.number}.wav"

    @property
    def recording(self) -> str:
        """The client's own name of the recording; only REST jobs bear it."""
        return f"recording-{self.number}"

    def request(self, webhook_url: str, run: int = 1) -> JobRequested:
        """The event that asks for it."""
        return JobRequested(
            job_id=self.job_id,
            run=run,
            tenant=self.tenant,
            recording_id=self.recording if self.door is Door.REST else None,
            source=Source(uri=self.source),
            options=Options(diarize=self.diarize),
            webhook_url=webhook_url if self.webhook else None,
            requested_at=datetime.now(UTC),
            metadata=dict(self.orders),
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, `at` so many seconds after the start and for `seconds`, and to whom."""

    at: float
    kind: Kind
    target: str = ""
    seconds: float = 0.0
    detail: str = ""
    hit: int = 1


@dataclass(frozen=True)
class Plan:
    """A run of `jobs` jobs in `seconds` with `faults` (how many of each kind)."""

    seed: int
    jobs: int
    seconds: float
    shares: Shares = Shares()
    faults: Mapping[Kind, int] = field(default_factory=dict)
    fixed: tuple[Fault, ...] = ()
    """Faults that are not drawn."""
    targets: tuple[str, ...] = PROCESSES
    """Processes that drawn faults of one process meet."""
    door: Door | None = None
    """The only one, if there is one."""
    orders: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """Those of jobs, by their numbers, that are not drawn."""
    replays: int = 0
    """Commands that begin second runs: each of jobs of its own part of the run, once they have ended."""
    replay_breaks: tuple[str, ...] | None = None
    """Where each of them dies the first time that it is given; None: drawn."""
    brokers: int = 1
    rollouts: int = 0
    """How often all processes, at first of the version before, go over to the other one; see tests.chaos.rollout."""

    @cached_property
    def planned(self) -> tuple[PlannedJob, ...]:
        """The jobs in the order in which they come."""
        return tuple(self._job(number) for number in range(self.jobs))

    @cached_property
    def schedule(self) -> tuple[Fault, ...]:
        """The faults in the order of their moments."""
        chance = random.Random(f"faults/{self.seed}")
        places = cycle(chance.sample(AT_FAILPOINTS, len(AT_FAILPOINTS)))
        drawn = [self._fault(kind, chance, places) for kind, count in self.faults.items() for _ in range(count)]
        return tuple(sorted((*self.fixed, *drawn), key=lambda fault: fault.at))

    @cached_property
    def replay_deaths(self) -> tuple[str, ...]:
        """The place at which each replay dies at its first try, empty where it does not."""
        chance = random.Random(f"replays/{self.seed}")
        drawn = chance.sample((*REPLAY, ""), len(REPLAY) + 1)
        return tuple(islice(cycle(drawn), self.replays)) if self.replay_breaks is None else self.replay_breaks

    def _job(self, number: int) -> PlannedJob:
        chance = random.Random(f"job/{self.seed}/{number}")
        outcome = _chosen(chance.random(), self.shares)
        diarize = chance.random() < self.shares.diarize
        orders = {"fake-seconds": f"{chance.uniform(0.001, self.shares.seconds):.3f}", "fake-outcome": outcome}
        if diarize and chance.random() < 0.5:
            orders["fake-stage"] = "diarizing"
        door = Door.OUTBOX if chance.random() < self.shares.outbox else Door.KAFKA
        job = PlannedJob(
            number=number,
            job_id=uuid5(_SPACE, f"{self.seed}/{number}"),
            tenant=chance.choice(TENANTS),
            door=self.door or (Door.KAFKA if outcome == "undecodable" else door),
            outcome=outcome,
            diarize=diarize,
            webhook=chance.random() < self.shares.webhook,
            orders=self.orders.get(number, orders),
            runs=(1, 2) if chance.random() < self.shares.rerun and outcome == "completed" else (1,),
        )
        # what kills must end in quarantine, and nobody can cancel what nobody can decode
        return job if outcome in ("undecodable", "kill") else self._troubled(job, chance)

    def _troubled(self, job: PlannedJob, chance: random.Random) -> PlannedJob:
        """The same job by the REST door, cancelled, or replayed."""
        if self.door is None and chance.random() < self.shares.rest:
            job = replace(job, door=Door.REST)
        if job.door is Door.REST:
            job = replace(job, repeats=chance.random() < REPEATED)
        share = self.shares.rest_cancel if job.door is Door.REST else self.shares.cancel
        if len(job.runs) == 1 and chance.random() < share:
            longest = CANCELLED_LONGER * self.shares.seconds
            orders = {**job.orders, "fake-seconds": f"{chance.uniform(0.001, longest):.3f}"}
            job = replace(job, cancel=chance.uniform(0, longest), orders=orders)
        # the last part has none, so that a run does not end with one
        part = job.number * (self.replays + 1) // self.jobs
        if len(job.runs) == 1 and part < self.replays and chance.random() < self.shares.replay:
            job = replace(job, runs=(1, 2), replay=part)
        return job

    def _fault(self, kind: Kind, chance: random.Random, places: Iterator[Place]) -> Fault:
        at = round(chance.uniform(0.05, 0.95) * self.seconds, 2)
        match kind:
            case Kind.KILL | Kind.DRAIN:
                return Fault(at, kind, chance.choice(self.targets))
            case Kind.STOP:
                return Fault(at, kind, chance.choice(self.targets), SESSION_SECONDS + chance.uniform(1, 4))
            case Kind.FAILPOINT:
                place = next(places)
                return Fault(at, kind, place.process, detail=place.name, hit=chance.randint(1, place.passes))
            case Kind.JOIN:
                return Fault(at, kind, JOINER, chance.uniform(2, 10), detail=chance.choice(("SIGKILL", "SIGTERM")))
            case Kind.CUT:
                name, forwarded = chance.choice(CUTS), chance.random() < 0.5
                return Fault(at, kind, "kafka", detail=f"{'after' if forwarded else 'before'} {name}")
            case Kind.S3_ERRORS | Kind.S3_SLOW:
                return Fault(at, kind, "s3", chance.uniform(1, 6))
            case Kind.BROKER | Kind.BROKER_DRAIN:
                return Fault(at, kind, self._broker(chance), chance.uniform(0, 3))
            case Kind.BROKER_STOP:
                return Fault(at, kind, self._broker(chance), BROKER_SESSION_SECONDS + chance.uniform(0, 4))
            case _:
                return Fault(at, kind, "postgres", chance.uniform(0, 3))

    def _broker(self, chance: random.Random) -> str:
        return broker_name(1 if self.brokers == 1 else chance.randint(1, self.brokers))


def _chosen(chance: float, shares: Shares) -> str:
    for outcome in ("transient", "permanent", "kill", "undecodable", "large"):
        if (share := getattr(shares, outcome)) > chance:
            return outcome
        chance -= share
    return "completed"
