"""An executor with the fake stage for tests, and what they give it."""

from dataclasses import replace

from gpu_consumers.core.delivery.error_policy import ErrorPolicy
from gpu_consumers.core.delivery.messages import Delivery, Job
from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position
from gpu_consumers.engines.fake import FakeStage
from gpu_consumers.kafka.partitions import OwnedPartition
from gpu_consumers.kafka.progress import ProgressReporter
from gpu_consumers.runtime.deduplicator import Deduplicator
from gpu_consumers.runtime.execution.executor import create_executor
from gpu_consumers.runtime.execution.work import WorkParts
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.tasks import Finished, JobTask
from schemas.events import JobRequested, JobResult, TranscriptReady
from schemas.retries.backoff import Backoff
from schemas.retries.topic_ladder import RetryPolicy
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from tests.samples import BARE_REQUEST, FULL_REQUEST, SAMPLES

SERDE = Serde()

GROUP = "scribe.transcribers"

READY = SAMPLES["TranscriptReady-full"]

READY_REQUEST = FULL_REQUEST  # which travels in it


class ExecutorHarness:
    """An executor with the fake stage, and what it told about progress."""

    def __init__(
        self,
        stage: FakeStage | None = None,
        outage_wait: float = 0.01,
        policy: ErrorPolicy | None = None,
        serde: Serde = SERDE,
    ) -> None:
        self.shutdown = Shutdown(60)
        self.offered: list[Record] = []
        self.partition = OwnedPartition("scribe.jobs", 0, PartitionOffsets(Position(0)), None, None)
        progress = ProgressReporter(self._offer, SERDE, "worker")
        policy = policy or ErrorPolicy(GROUP, retry=RetryPolicy(GROUP))
        runner = stage or FakeStage(serde)
        self.duplicates: Deduplicator[JobTask] = Deduplicator()
        work = WorkParts(progress, self.shutdown)
        waits = Backoff(first=outage_wait, cap=outage_wait)
        self.executor = create_executor(runner, policy, serde, work, self.duplicates, waits=waits)

    def _offer(self, record: Record) -> bool:
        self.offered.append(record)
        return True

    def deliver(self, value: bytes | None, headers: dict[str, str] | None = None) -> Finished | None:
        return self.executor.execute(
            JobTask(Delivery("scribe.jobs", 0, 5, b"key", value, headers or {}), self.partition)
        )

    def order(self, request: JobRequested = BARE_REQUEST, attempt: int = 1, **orders: str) -> Finished | None:
        return self.deliver(ordered(request, **orders), {"scribe-attempt": str(attempt)})


def ordered(request: JobRequested = BARE_REQUEST, **orders: str) -> bytes:
    metadata = {name.replace("_", "-"): value for name, value in orders.items()}
    return SERDE.encode(replace(request, metadata=metadata))


class Diarizing(FakeStage):
    """Takes what the first stage made."""

    def decode(self, delivery: Delivery) -> Job:
        event = SERDE.decode(delivery.value, TranscriptReady)
        return Job(delivery, event, event.request)


def result_of(finished: Finished | None) -> JobResult:
    assert finished is not None
    return SERDE.decode(finished.records[0].value, JobResult)
