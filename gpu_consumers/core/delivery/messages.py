"""Messages between the poll loop, the workers and the stages: deliveries in, events out."""

from dataclasses import dataclass, field
from typing import Protocol

from schemas.errors import Permanent
from schemas.events import Event, JobRequested, Stage
from schemas.topics import is_retry_topic
from schemas.wire.headers import Origin, attempt_of, origin_of


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record as it was polled; headers are text, the value is untouched."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Size of all that it holds in memory: a small batch may unfold into headers of any size."""
        headers = sum(len(name) + len(value) for name, value in self.headers.items())
        return len(self.key or b"") + len(self.value or b"") + headers

    @property
    def origin(self) -> Origin:
        """The place where the record first came from; only retries name one, the headers of all others are not ours."""
        here = Origin(self.topic, self.partition, self.offset)
        return origin_of(self.headers, here) if is_retry_topic(self.topic) else here

    @property
    def attempt(self) -> int:
        """Number of the attempt, 1 at first."""
        return attempt_of(self.headers)


@dataclass(frozen=True, slots=True)
class Job:
    """A decoded delivery: the event itself, and the request that travels in it.

    With `invalid` it can only fail so: a value in it is wrong, and the request has a default in its place.
    """

    delivery: Delivery
    event: Event
    request: JobRequested
    invalid: Permanent | None = None


@dataclass(frozen=True, slots=True)
class Emission:
    """An event to write, in the same transaction as the offset of what led to it."""

    topic: str
    event: Event


class Work(Protocol):
    """Services of the runtime for a stage while it works; called from the worker's thread."""

    suspect: bool
    """Whether a process may have died of the job before: progress should then be kept at once."""

    def report(self, stage: Stage, done_seconds: float, total_seconds: float | None) -> None:
        """Report how far the job is; cheap, may be called often."""

    def check(self) -> None:
        """Raise NotOwner when the partition was lost or the time to drain is over, Cancelled when the job is not wanted.

        To be called between two batches.
        """

    def advanced(self) -> None:
        """Note that all work so far was kept: the next attempt goes on there."""


class StageRunner(Protocol):
    """One step of a job (transcribing, diarizing): what it reads and what it makes of it.

    `decode` raises Poison, InvalidEvent among them. `run` raises Transient, Permanent, Outage, NotOwner or Cancelled; the runtime settles each.
    """

    group: str
    topics: tuple[str, ...]
    workers: int

    def decode(self, delivery: Delivery) -> Job:
        """The job in a record."""

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        """Do the work and say what is to be written."""
