"""Intake: what is handed to the workers, and what is not, without a broker."""

import time
from collections.abc import Iterator
from queue import SimpleQueue

import pytest
from confluent_kafka import Consumer, TopicPartition

from gpu_consumers.core.delivery.admission import GroupGate
from gpu_consumers.core.delivery.error_policy import ErrorPolicy, Settlement
from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position
from gpu_consumers.kafka.partitions import Assignment, OwnedPartition
from gpu_consumers.kafka.result_routing import ResultRouting
from gpu_consumers.kafka.transactional_producer import TransactionalProducer
from gpu_consumers.runtime.committer import Committer
from gpu_consumers.runtime.deduplicator import Deduplicator
from gpu_consumers.runtime.execution.ends import JobEnds
from gpu_consumers.runtime.execution.outages import OutageRetry
from gpu_consumers.runtime.intake import Intake, IntakeParts
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.stall_detector import StallDetector
from gpu_consumers.runtime.tasks import Finished, JobTask
from gpu_consumers.runtime.worker_pool import WorkerPool
from producers.kafka.unreadable_batches import UnreadableBatches
from schemas.retries.topic_ladder import RetryPolicy
from schemas.settings.kafka import KafkaSettings
from schemas.wire.serde import Serde

NOWHERE = KafkaSettings(kafka_bootstrap="127.0.0.1:1")
PATIENCE = 60.0  # seconds; a machine may stand still for some


class Rig:
    """An intake with one partition, and the offsets that came to its worker."""

    def __init__(self, consumer: Consumer) -> None:
        self.partition = OwnedPartition("retries", 0, PartitionOffsets(Position(0)), None, None)
        self.partition.commit_barrier.complete(1)
        assignment, duplicates = Assignment(), Deduplicator[JobTask]()
        assignment.add(self.partition)
        self.executed: SimpleQueue[int] = SimpleQueue()
        self.pool = WorkerPool("g", 1, self._execute)
        outages = OutageRetry(Shutdown(0), StallDetector())
        ends = JobEnds(ErrorPolicy("g", retry=RetryPolicy("g")), Serde(), ResultRouting(), outages)
        producer = TransactionalProducer(NOWHERE, "id")
        parts = IntakeParts(
            group="g",
            consumer=consumer,
            assignment=assignment,
            gate=GroupGate(),
            pool=self.pool,
            duplicates=duplicates,
            unreadable=UnreadableBatches(NOWHERE, "g"),
            ends=ends,
            committer=Committer("g", consumer, producer, assignment, ends, duplicates),
            retry_delays={"retries": 60.0},
        )
        self.intake = Intake(parts)

    def hold(self, offset: int, seconds: float) -> None:
        """Let a record wait that falls due in so many seconds."""
        self.partition.hold(Delivery("retries", 0, offset, None, None), time.time() + seconds)

    def _execute(self, task: JobTask) -> Finished:
        self.executed.put(task.delivery.offset)
        return Finished(task, None, Settlement("completed"), ())


@pytest.fixture
def rig() -> Iterator[Rig]:
    consumer = Consumer({"bootstrap.servers": NOWHERE.kafka_bootstrap, "group.id": "g"})
    consumer.assign([TopicPartition("retries", 0)])
    made = Rig(consumer)
    made.pool.start()
    yield made
    made.pool.stop()
    consumer.close()


def test_only_what_has_fallen_due_is_handed_on(rig: Rig) -> None:
    rig.hold(1, seconds=-1)
    rig.hold(2, seconds=3600)
    rig.intake.release()
    assert rig.executed.get(timeout=PATIENCE) == 1
    assert [item.offset for _, item in rig.partition.gate.held] == [2]


def test_a_partition_rests_while_a_record_waits_in_it(rig: Rig) -> None:
    rig.hold(1, seconds=3600)
    rig.intake.pause()
    assert rig.partition.paused
    rig.partition.release(time.time() + 7200)
    rig.intake.pause()
    assert not rig.partition.paused


def test_after_its_close_nothing_is_handed_on_and_all_rests(rig: Rig) -> None:
    rig.hold(1, seconds=-1)
    rig.intake.close()
    rig.intake.release()
    rig.intake.pause()
    assert len(rig.partition.gate.held) == 1
    assert rig.partition.paused
    assert not rig.intake.full, "it is being ended, which is another reason"
