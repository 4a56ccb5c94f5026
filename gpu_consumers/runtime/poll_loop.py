"""Poll loop of one consumer group: one thread owns consumer and producer, while other threads do the work."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from gpu_consumers.kafka.partitions import REFRESH_SECONDS
from gpu_consumers.kafka.transactional_producer import TransactionalProducer
from gpu_consumers.runtime.committer import Committer
from gpu_consumers.runtime.intake import Intake
from gpu_consumers.runtime.rebalance import Rebalance
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.waiting import closed_gates, report_of
from gpu_consumers.runtime.worker_pool import WorkerPool
from producers.kafka.unreadable_batches import fetching_config
from schemas.errors import Outage
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import WaitReport
from schemas.settings.kafka import KafkaSettings

log = logging.getLogger(__name__)
STALE = 90.0  # seconds without a turn after which the loop counts as stuck


def consumer_config(settings: KafkaSettings, group: str, client_id: str) -> dict[str, Any]:
    """Settings of a GPU group's consumer; those needed for its guarantees cannot be overridden."""
    return {
        "auto.offset.reset": "earliest",
        # the deadline of a revocation, not of a job: polling never stops
        "max.poll.interval.ms": 300_000,
        # jobs are small and their work is long: nothing is gained by fetching far ahead
        "queued.min.messages": 1,
        "queued.max.messages.kbytes": 4096,
        "fetch.queue.backoff.ms": 5,
        # a fetch in progress holds up the next one of a resumed partition
        "fetch.wait.max.ms": 100,
        "topic.metadata.refresh.interval.ms": int(REFRESH_SECONDS * 1000),
        **fetching_config(settings, client_id),
        "group.id": group,
        "group.protocol": "consumer",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
    }


def always_caught_up() -> bool:
    """Report as caught up, where no orders and policies are read."""
    return True


@dataclass(frozen=True, slots=True)
class GroupParts:
    """Collaborators of the poll loop of one group."""

    consumer: Consumer
    producer: TransactionalProducer
    intake: Intake
    rebalance: Rebalance
    pool: WorkerPool
    committer: Committer
    shutdown: Shutdown
    caught_up: Callable[[], bool] = always_caught_up
    """Whether it is known by now what was cancelled, and what tenants may do."""


class GroupConsumer:
    """Member of one consumer group; runs in one thread, others may only query its state."""

    def __init__(self, group: str, topics: Sequence[str], parts: GroupParts) -> None:
        self.group = group
        self._topics = list(topics)
        self._parts = parts
        self._draining = False
        self._turned_at = time.monotonic()

    @property
    def not_ready_reason(self) -> str | None:
        """The condition that the group waits for before it can work; None when it is ready."""
        if not (self._parts.rebalance.joined and self._parts.producer.is_open):
            return "has not joined"
        return "cannot commit" if self._parts.committer.failing else None

    @property
    def caught_up(self) -> bool:
        """Whether all cancellations and policies are known."""
        return self._parts.caught_up()

    @property
    def stuck(self) -> bool:
        """Whether the loop makes no progress."""
        return time.monotonic() - self._turned_at > STALE

    @property
    def hanging(self) -> int:
        """The number of jobs without a recent heartbeat."""
        return len(self._parts.pool.hanging)

    @property
    def busy(self) -> bool:
        """Whether jobs are in work."""
        return self.jobs_in_work > 0

    @property
    def jobs_in_work(self) -> int:
        """The number of jobs that workers are busy with, or that ended and are not yet committed."""
        # in this order: a worker hands over what it finished before it counts as free
        parts = self._parts
        return parts.pool.busy + parts.pool.finished.qsize() + parts.committer.waiting

    def waits(self) -> WaitReport:
        """The report of the gates that hold the group's records; may be called from any thread."""
        parts = self._parts
        closed = closed_gates(
            joined=parts.rebalance.joined,
            producing=parts.producer.is_open,
            caught_up=self.caught_up,
            draining=parts.shutdown.requested.is_set(),
            committing=not parts.committer.failing,
        )
        held = [
            *parts.pool.waiting(),
            *((task, WaitReason.DUPLICATE) for task in parts.intake.duplicates()),
            *((task, WaitReason.COMMIT_PENDING) for task in parts.committer.unwritten()),
        ]
        return report_of(
            self.group, parts.intake.partitions(), held, parts.pool.working(), closed, full=parts.intake.full
        )

    def run(self) -> None:
        """Work until drained; raises Fatal. Leaves the group in every case."""
        parts = self._parts
        try:
            self._open()
            self._catch_up()
            parts.pool.start()
            self._subscribe()
            while not self._ended():
                self._turn()
        except BaseException as error:  # whatever ends this group ends the process
            parts.rebalance.failure = error
            parts.shutdown.abort()
            raise
        finally:
            parts.pool.stop()
            parts.consumer.close()
            parts.producer.close()

    def _open(self) -> None:
        """Take the transactional.id before any partition, which ends a former holder's open transaction."""
        shutdown, producer = self._parts.shutdown, self._parts.producer
        while not (producer.is_open or shutdown.requested.is_set()):
            self._turned_at = time.monotonic()
            try:
                producer.open()
            except Outage as error:
                log.warning("%s: waiting for Kafka: %s", self.group, error)
                shutdown.requested.wait(0.5)

    def _catch_up(self) -> None:
        """Wait until cancellations and policies are known: no work begins before."""
        requested = self._parts.shutdown.requested
        while not (self.caught_up or requested.is_set()):
            self._turned_at = time.monotonic()
            requested.wait(0.05)

    def _subscribe(self) -> None:
        rebalance = self._parts.rebalance
        self._parts.consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=rebalance.revoke, on_lost=rebalance.lose
        )

    def _on_assign(self, consumer: Consumer, toppars: list[TopicPartition]) -> None:
        self._turned_at = time.monotonic()  # it may take a minute
        self._parts.rebalance.assign(consumer, toppars)

    def _turn(self) -> None:
        self._turned_at = time.monotonic()
        parts = self._parts
        if parts.shutdown.requested.is_set() and not self._draining:
            self._drain()
        parts.intake.receive()
        parts.intake.release()
        parts.committer.collect(parts.pool.finished)
        parts.committer.flush(time.monotonic())
        parts.intake.pause()

    def _drain(self) -> None:
        log.info("%s: draining for at most %g s", self.group, self._parts.shutdown.seconds)
        self._draining = True
        self._parts.intake.close()

    def _ended(self) -> bool:
        parts = self._parts
        if (failure := parts.pool.failure or parts.rebalance.failure) is not None:
            raise failure
        if parts.shutdown.aborted or not self._draining:
            return parts.shutdown.aborted
        return not self.busy or parts.shutdown.deadline_passed
