"""Tasks: deliveries that wait for a worker, and their results."""

from dataclasses import dataclass

from gpu_consumers.core.delivery.error_policy import Settlement
from gpu_consumers.core.delivery.messages import Delivery, Job
from gpu_consumers.kafka.partitions import OwnedPartition
from schemas.events import JobResult, TranscriptReady
from schemas.wire.headers import RESULTS_TO
from schemas.wire.records import Record


@dataclass(frozen=True, slots=True)
class JobTask:
    """A delivery that waits for a worker, and the assignment that it came with."""

    delivery: Delivery
    partition: OwnedPartition


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished delivery; its records and its offset go into one transaction."""

    task: JobTask
    job: Job | None
    settlement: Settlement
    records: tuple[Record, ...]

    @property
    def outcome(self) -> str:
        """Label for metrics."""
        return self.settlement.outcome

    @property
    def bytes(self) -> int:
        """Size of the values to write."""
        return sum(len(record.value or b"") for record in self.records)

    @property
    def foreign_topic(self) -> str | None:
        """The topic that a replay chose for the result, if a record goes there; None otherwise."""
        name = self.task.delivery.headers.get(RESULTS_TO)
        return name if any(record.topic == name for record in self.records) else None

    @property
    def audio_seconds(self) -> float | None:
        """Seconds of audio of a job that ended well; None when they are not known."""
        if self.outcome != "completed":
            return None
        audio = (e.event.audio for e in self.settlement.emissions if isinstance(e.event, JobResult | TranscriptReady))
        return next((each.duration for each in audio if each is not None), None)
