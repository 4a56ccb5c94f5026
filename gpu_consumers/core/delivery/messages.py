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
        """Memory size of the whole record: even a small batch may expand into large headers."""
        headers = sum(len(name) + len(value) for name, value in self.headers.items())
        return len(self.key or b"") + len(self.value or b"") + headers

    @property
    def origin(self) -> Origin:
        """The original position of the record; only retries name one, headers of all other records are not trusted."""
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
        """Report the progress of the job; cheap, may be called often."""

    def check(self) -> None:
        """Raise NotOwner when the partition is lost or the drain time is over, Cancelled when the job is cancelled.

        To be called between two batches.
        """

    def advanced(self) -> None:
        """Note that all work so far was stored: the next attempt continues there."""


class StageRunner(Protocol):
    """One stage of a job (transcription, diarization): its input record and its output event.

    `decode` raises Poison, InvalidEvent among them. `run` raises Transient, Permanent, Outage, NotOwner or Cancelled; the runtime settles each.
    """

    group: str
    topics: tuple[str, ...]
    workers: int

    def decode(self, delivery: Delivery) -> Job:
        """The job in a record."""

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        """Do the work and return the event to write."""
