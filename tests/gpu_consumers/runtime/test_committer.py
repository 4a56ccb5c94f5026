"""What becomes of finished deliveries before any transaction."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer

from gpu_consumers.core.delivery.error_policy import ErrorPolicy, Settlement
from gpu_consumers.core.delivery.first_seen import DuplicateVerdict
from gpu_consumers.core.delivery.messages import Delivery, Job
from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position
from gpu_consumers.kafka.partitions import Assignment, OwnedPartition
from gpu_consumers.kafka.result_routing import ResultRouting
from gpu_consumers.kafka.transactional_producer import TransactionalProducer
from gpu_consumers.runtime.committer import Committer
from gpu_consumers.runtime.deduplicator import Deduplicator
from gpu_consumers.runtime.execution.ends import JobEnds
from gpu_consumers.runtime.execution.outages import OutageRetry
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.stall_detector import StallDetector
from gpu_consumers.runtime.tasks import Finished, JobTask
from schemas.retries.topic_ladder import RetryPolicy
from schemas.settings.kafka import KafkaSettings
from schemas.wire.serde import Serde
from tests.samples import BARE_REQUEST

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def consumer() -> Iterator[Consumer]:
    made = Consumer({"bootstrap.servers": NOWHERE, "group.id": "g"})
    yield made
    made.close()


def ends() -> JobEnds:
    outages = OutageRetry(Shutdown(0), StallDetector())
    return JobEnds(ErrorPolicy("g", retry=RetryPolicy("g")), Serde(), ResultRouting(), outages)


@pytest.mark.parametrize("owned", [True, False])
def test_a_finished_delivery_of_a_lost_partition_lets_its_duplicate_run(consumer: Consumer, owned: bool) -> None:
    """Nothing of it is written, so the duplicate must not wait for it, and must not be skipped."""
    duplicates: Deduplicator[JobTask] = Deduplicator()
    producer = TransactionalProducer(KafkaSettings(kafka_bootstrap=NOWHERE), "id")
    committer = Committer("g", consumer, producer, Assignment(), ends(), duplicates)
    partition = OwnedPartition("jobs", 0, PartitionOffsets(Position(0)), None, None)
    first, duplicate = (JobTask(Delivery("jobs", 0, offset, None, None), partition) for offset in (1, 2))
    job, same = (Job(task.delivery, BARE_REQUEST, BARE_REQUEST) for task in (first, duplicate))
    duplicates.claim(job, first)
    assert duplicates.claim(same, duplicate) is DuplicateVerdict.WAIT
    partition.owned = owned
    committer.add(Finished(first, job, Settlement("completed"), ()))
    assert committer.waiting == int(owned)
    assert duplicates.released() == ([] if owned else [duplicate])
