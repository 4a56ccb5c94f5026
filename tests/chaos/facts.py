"""What is known after a run, from topics, tables, objects, the webhook receiver, the executions and the clients. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from uuid import UUID

from schemas.events import JobResult, event_id
from tests.chaos.harm import EVERYBODY, Harm
from tests.chaos.plan import PlannedJob
from tests.executions import Execution

COMMIT_SECONDS = 1.0
"""Within it what is finished is committed, when nothing is broken; a busy machine included."""
MOVE_SECONDS = 0.1
"""What ends so shortly before its partition goes to another process may miss the last commit, as if it still ran."""
RECOVERY_SECONDS = 20.0
"""How long a broken broker, or a connection to it, may still be felt after its return."""


@dataclass(frozen=True, slots=True)
class Result:
    """A visible JobResult, told at unix seconds."""

    job_id: UUID
    run: int
    event_id: UUID
    outcome: str
    code: str | None
    at: float


@dataclass(frozen=True, slots=True)
class Row:
    """A job as it stands in the database, with its segments counted."""

    state: str
    run: int
    result_event_id: UUID | None
    transcript_uri: str | None
    segments: int


@dataclass(frozen=True, slots=True)
class Order:
    """A cancel as the control topic shows it: up to which run, since which unix seconds."""

    run: int
    at: float


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of a dead-letter topic, or of a retry topic; `origin` is topic/partition/offset."""

    topic: str
    origin: str
    attempt: int
    value: bytes | None
    code: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook's row; `unknown` attempts have no outcome, or none that a receiver gave."""

    webhook_id: str
    event_id: UUID
    job_id: UUID
    state: str
    attempts: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Call:
    """A webhook as its receiver saw it, at unix seconds."""

    at: float
    webhook_id: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Place:
    """How far a group is with a partition; `last` is its last visible record, -1 if there is none."""

    group: str
    topic: str
    partition: int
    committed: int
    last: int
    end: int
    exact: bool
    """Whether the group commits ends too, so that its lag is true."""


@dataclass(frozen=True, slots=True)
class Move:
    """A worker gave a partition (topic/number) back, at unix seconds."""

    worker: str
    partition: str
    at: float


@dataclass(frozen=True, slots=True)
class Scrape:
    """Jobs by the metrics of one scrape, and the bounds of what they may be.

    `least` jobs had been accepted by the database before it, `most` had been submitted when it was answered.
    """

    accepted: int
    states: Mapping[str, int]
    least: int
    most: int


@dataclass(frozen=True)
class Facts:
    """All that is known after a run."""

    jobs: Sequence[PlannedJob]
    accepted: Collection[int]
    """Numbers of the jobs that were taken."""
    records: Mapping[tuple[UUID, int], int]
    """Visible JobRequested records of each run of a job."""
    results: Sequence[Result]
    rows: Mapping[UUID, Row]
    histories: Mapping[UUID, Sequence[str]]
    applied: Mapping[UUID, float]
    """When (unix seconds) each event was applied."""
    objects: frozenset[str]
    """Addresses of all objects."""
    dead: Sequence[Letter]
    retried: Sequence[Letter]
    deliveries: Sequence[Delivery]
    calls: Sequence[Call]
    places: Sequence[Place]
    unstable: Sequence[str]
    """Partitions whose last stable offset is below their end."""
    visible: frozenset[str]
    """Where (topic/partition/offset) the records lie that GPU groups may see."""
    executions: Sequence[Execution]
    harms: Sequence[Harm]
    moves: Sequence[Move]
    undecodable: Mapping[bytes, Sequence[str]]
    """Where (topic/partition/offset) each undecodable value lies."""
    killing: Mapping[bytes, Sequence[str]]
    """Where each value lies that kills whoever works on it."""
    gpu_dlqs: frozenset[str] = frozenset()
    answers: Mapping[UUID, Sequence[UUID]] = field(default_factory=dict)
    """The jobs with which the REST door accepted a submission, by the id that it named."""
    recordings: Mapping[str, int] = field(default_factory=dict)
    """Rows by the name that their client gave the recording."""
    cancels: Mapping[UUID, bool] = field(default_factory=dict)
    """Jobs of which somebody was told that they are asked to stop; False: that they had ended."""
    orders: Mapping[UUID, Order] = field(default_factory=dict)
    claims: frozenset[str] = frozenset()
    """Where transcripts lie that events name."""
    scrapes: Sequence[Scrape] = ()
    """What the shim's metrics said of all jobs, in the order of their times."""

    @cached_property
    def decodable(self) -> Mapping[UUID, PlannedJob]:
        return {job.job_id: job for job in self.jobs if job.number in self.accepted and not job.undecodable}

    @cached_property
    def runs(self) -> Sequence[tuple[PlannedJob, int]]:
        return [(job, run) for job in self.decodable.values() for run in job.runs]

    @cached_property
    def results_of(self) -> Mapping[UUID, Sequence[Result]]:
        found: dict[UUID, list[Result]] = defaultdict(list)
        for result in self.results:
            found[result.job_id].append(result)
        return found

    def ends(self, job: PlannedJob, run: int) -> tuple[str, ...]:
        """How a run of a job may end."""
        order = self.orders.get(job.job_id)
        return (job.ends, "cancelled") if order is not None and order.run >= run else (job.ends,)

    def calm(self, began: float, ended: float) -> bool:
        """Whether no GPU process and no server was harmed from one time to the other, nor felt it still."""
        return not any(
            harm.began <= ended and began <= harm.ended + RECOVERY_SECONDS
            for harm in self.harms
            if harm.who == EVERYBODY or harm.who.startswith("gpu")
        )

    def takeovers(self, old_pids: Collection[int]) -> Counter[str]:
        """How often a process of one version went on with what one of the other was killed on."""
        found: Counter[str] = Counter()
        for executions in self._by_record.values():
            for cut, again in pairwise(executions):
                before, after = cut.pid in old_pids, again.pid in old_pids
                if cut.ended_at is None and before != after:
                    found["by this version" if before else "by the version before"] += 1
        return found

    @cached_property
    def _by_record(self) -> Mapping[str, Sequence[Execution]]:
        found: dict[str, list[Execution]] = defaultdict(list)
        for execution in self.executions:
            found[execution.record].append(execution)
        return found

    @cached_property
    def repeats(self) -> Sequence[tuple[Execution, str]]:
        """Each execution after which its record was executed again, and why: cut, dropped, uncommitted, or unexplained."""
        return [(one, self._why(one)) for all_of in self._by_record.values() for one in all_of[:-1]]

    def _why(self, execution: Execution) -> str:
        if execution.ended_at is None:
            return "cut"
        if execution.how == "dropped":
            return "dropped"
        at = execution.ended_at
        partition = execution.record.rpartition("/")[0]
        for move in self.moves:
            if (move.worker, move.partition) == (execution.worker, partition) and abs(move.at - at) <= MOVE_SECONDS:
                return "dropped"
        for harm in self.harms:
            if harm.who == EVERYBODY and harm.began - COMMIT_SECONDS <= at <= harm.ended + RECOVERY_SECONDS:
                return "uncommitted"
            if harm.pid == execution.pid and harm.began - COMMIT_SECONDS <= at <= harm.ended + COMMIT_SECONDS:
                return "uncommitted"
        return "unexplained"


Rule = Callable[[Facts], Iterator[str]]


def expected_event(job: PlannedJob, run: int = 1) -> UUID:
    """The id that the end of a job must bear."""
    return event_id(job.job_id, JobResult.KIND, run)
