"""What a run consists of, all of it drawn from its seed: the jobs, and the faults with their moments."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from uuid import UUID, uuid5

from schemas.events import JobRequested, Options, Source

TENANTS = ("acme", "globex", "initech")
GPU = ("gpu-0", "gpu-1")
JOINER = "gpu-2"
PROCESSES = (*GPU, "relay", "persist", "webhooks", "dispatch")
SESSION_SECONDS = 4.0  # after which the broker of a run gives a silent member's partitions away
_SPACE = UUID("6f3c1f9e-52a5-4c77-9d43-0b6f6a6d2f10")


class Door(StrEnum):
    """How a job comes in."""

    KAFKA = "kafka"
    OUTBOX = "outbox"


class Kind(StrEnum):
    """What may go wrong."""

    KILL = "SIGKILL"
    STOP = "SIGSTOP"
    DRAIN = "SIGTERM"
    FAILPOINT = "SIGKILL at a failpoint"
    JOIN = "a member joins and leaves"
    BROKER = "broker restart"
    POSTGRES = "PostgreSQL restart"
    S3_ERRORS = "S3 errors"
    S3_SLOW = "S3 slowness"
    CUT = "connection cut at a request"


@dataclass(frozen=True, slots=True)
class Shares:
    """How the jobs of a run end, as shares of all; seconds are the longest work on one."""

    seconds: float = 2.0
    transient: float = 0.03
    permanent: float = 0.01
    kill: float = 0.0
    undecodable: float = 0.005
    diarize: float = 0.5
    outbox: float = 0.5
    webhook: float = 0.5
    rerun: float = 0.0


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

    def request(self, webhook_url: str, run: int = 1) -> JobRequested:
        """The event that asks for it."""
        return JobRequested(
            job_id=self.job_id,
            run=run,
            tenant=self.tenant,
            source=Source(uri=f"https://example.org/{self.number}.wav"),
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
    door: Door | None = None
    """The only one, if there is one."""
    orders: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """Those of jobs, by their numbers, that are not drawn."""

    @cached_property
    def planned(self) -> tuple[PlannedJob, ...]:
        """The jobs in the order in which they come."""
        return tuple(self._job(number) for number in range(self.jobs))

    @cached_property
    def schedule(self) -> tuple[Fault, ...]:
        """The faults in the order of their moments."""
        chance = random.Random(f"faults/{self.seed}")
        drawn = [self._fault(kind, chance) for kind, count in self.faults.items() for _ in range(count)]
        return tuple(sorted((*self.fixed, *drawn), key=lambda fault: fault.at))

    def _job(self, number: int) -> PlannedJob:
        chance = random.Random(f"job/{self.seed}/{number}")
        outcome = _chosen(chance.random(), self.shares)
        diarize = chance.random() < self.shares.diarize
        orders = {"fake-seconds": f"{chance.uniform(0.001, self.shares.seconds):.3f}", "fake-outcome": outcome}
        if diarize and chance.random() < 0.5:
            orders["fake-stage"] = "diarizing"
        door = Door.OUTBOX if chance.random() < self.shares.outbox else Door.KAFKA
        return PlannedJob(
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

    def _fault(self, kind: Kind, chance: random.Random) -> Fault:
        at = round(chance.uniform(0.05, 0.95) * self.seconds, 2)
        match kind:
            case Kind.KILL | Kind.DRAIN:
                return Fault(at, kind, chance.choice(PROCESSES))
            case Kind.STOP:
                return Fault(at, kind, chance.choice(PROCESSES), SESSION_SECONDS + chance.uniform(1, 4))
            case Kind.FAILPOINT:
                target, name = chance.choice(AT_FAILPOINTS)
                return Fault(at, kind, target, detail=name, hit=chance.randint(1, 20))
            case Kind.JOIN:
                return Fault(at, kind, JOINER, chance.uniform(2, 10), detail=chance.choice(("SIGKILL", "SIGTERM")))
            case Kind.CUT:
                name, forwarded = chance.choice(CUTS), chance.random() < 0.5
                return Fault(at, kind, "kafka", detail=f"{'after' if forwarded else 'before'} {name}")
            case Kind.S3_ERRORS | Kind.S3_SLOW:
                return Fault(at, kind, "s3", chance.uniform(1, 6))
            case _:
                return Fault(at, kind, "kafka" if kind is Kind.BROKER else "postgres", chance.uniform(0, 3))


CUTS = (
    "Produce",
    "Fetch",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "EndTxn",
    "TxnOffsetCommit",
    "ConsumerGroupHeartbeat",
)
AT_FAILPOINTS = (
    *(
        (gpu, name)
        for gpu in GPU
        for name in (
            "gpu.after_poll",
            "gpu.before_begin",
            "gpu.after_begin",
            "gpu.after_produce",
            "gpu.after_send_offsets",
            "gpu.after_commit",
        )
    ),
    ("relay", "relay.after_read"),
    ("relay", "relay.after_publish"),
    ("relay", "relay.after_mark"),
    *(("persist", name) for name in ("streams.after_receive", "streams.after_effect", "streams.after_ack")),
    ("persist", "streams.after_dead_letter"),
    ("persist", "persist.after_object"),
    ("persist", "persist.before_commit"),
    ("webhooks", "webhooks.before_commit"),
    ("webhooks", "streams.after_effect"),
    ("dispatch", "dispatch.after_lease"),
    ("dispatch", "dispatch.after_send"),
    ("dispatch", "dispatch.after_record"),
)


def _chosen(chance: float, shares: Shares) -> str:
    for outcome in ("transient", "permanent", "kill", "undecodable"):
        if (share := getattr(shares, outcome)) > chance:
            return outcome
        chance -= share
    return "completed"
