"""Committer: commits finished deliveries, records and offsets in one Kafka transaction; retries aborted ones."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.core.delivery.offsets import Position, decode
from gpu_consumers.kafka.partitions import Assignment, OwnedPartition
from gpu_consumers.kafka.transactional_producer import (
    Aborted,
    Indefinite,
    OffsetGroup,
    TransactionalProducer,
    TransactionFailed,
)
from gpu_consumers.runtime.deduplicator import Deduplicator
from gpu_consumers.runtime.execution.ends import JobEnds
from gpu_consumers.runtime.tasks import Finished, JobTask
from producers.kafka.moved_leaders import committed
from producers.kafka.publisher import translate
from schemas.errors import Fatal, Outage
from schemas.metrics import INFLIGHT, RECORDS_PROCESSED, TRANSACTIONS
from schemas.retries.schedules import GPU_COMMITS

log = logging.getLogger(__name__)
INTERVAL = 0.01  # seconds between transactions: closer ones wait for the markers of the one before
IDLE_INTERVAL = 1.0  # seconds between commits of positions that moved without a result
MOST_RECORDS = 500
MOST_BYTES = 8_000_000
MANY_FAILURES = 5
REVOKE_SECONDS = 10.0  # how long a revocation may wait for what is finished


class Committer:
    """Commits for one group; belongs to the poll thread. Raises only Fatal, never errors that pass."""

    def __init__(
        self,
        group: str,
        consumer: Consumer,
        producer: TransactionalProducer,
        assignment: Assignment,
        ends: JobEnds,
        duplicates: Deduplicator[JobTask],
        *,
        partition_epochs: bool = True,
    ) -> None:
        """`ends` gives other ends to what the broker does not take; `partition_epochs`: the broker checks ownership by captured metadata (4.3 and newer)."""
        self._group = group
        self._consumer = consumer
        self._producer = producer
        self._assignment = assignment
        self._ends = ends
        self._duplicates = duplicates
        self._partition_epochs = partition_epochs
        self._pending: list[Finished] = []
        self._unsettled = False  # the last transaction may have been committed
        self._singly = 0  # so many of what waits go alone, because one of them is too large
        self._failures = 0
        self._next_at = 0.0
        self._idle_at = 0.0

    @property
    def waiting(self) -> int:
        """The number of finished deliveries that are not committed yet."""
        return len(self._pending)

    def unwritten(self) -> list[JobTask]:
        """The finished deliveries that are not committed yet."""
        return [finished.task for finished in tuple(self._pending)]

    @property
    def failing(self) -> bool:
        """Whether several commits in a row failed."""
        return self._failures >= MANY_FAILURES

    def add(self, finished: Finished) -> None:
        """Take a finished delivery; one of an assignment that has ended is dropped."""
        if finished.task.partition.owned:
            self._pending.append(finished)
        else:
            self._drop(finished)

    def collect(self, finished: SimpleQueue[Finished]) -> None:
        """Take all that the workers have finished."""
        while not finished.empty():
            self.add(finished.get())
        INFLIGHT.labels(self._group).set(self._assignment.in_flight)

    def flush(self, now: float) -> None:
        """Commit the deliveries that are due at `now` (monotonic seconds)."""
        if now < self._next_at:
            return
        try:
            self._flush(now)
        except (TransactionFailed, Outage) as error:
            self._back_off(error)
        else:
            self._failures, self._next_at = 0, time.monotonic() + INTERVAL

    def flush_all(self, seconds: float = REVOKE_SECONDS) -> bool:
        """Commit everything pending, blocking for at most so many seconds; returns whether nothing is left."""
        deadline = time.monotonic() + seconds
        self._idle_at = 0.0
        while True:
            if (pause := self._next_at - time.monotonic()) > 0:
                time.sleep(min(pause, 0.5))
            self.flush(time.monotonic())
            done = not self._pending and not self._failures
            if done or time.monotonic() > deadline:
                return done

    def take_marks_back(self, partitions: Sequence[OwnedPartition]) -> None:
        """Commit, without the fenced producer, that nothing was started, if the committed position is the known one."""
        try:
            found = self._committed([partition.toppar for partition in partitions])
            commits = [partition.commit_of(own) for partition in partitions if (own := _unmarked(partition, found))]
            if commits:
                self._consumer.commit(offsets=commits, asynchronous=False)
        except (KafkaException, Outage) as error:
            log.warning("%s: marks of started records stay: %s", self._group, error)

    def _back_off(self, error: TransactionFailed | Outage) -> None:
        self._failures += 1
        stale = isinstance(error, TransactionFailed) and error.code == KafkaError.ILLEGAL_GENERATION
        # at every one from then on: the first of many may have had another cause
        if stale and self._failures >= MANY_FAILURES and self._partition_epochs:
            log.error("brokers before 4.3 need SCRIBE_KAFKA_PARTITION_EPOCHS=false")
        self._next_at = time.monotonic() + GPU_COMMITS.wait(self._failures)
        log.warning("%s: commit is repeated (%d): %s", self._group, self._failures, error)

    def _flush(self, now: float) -> None:
        self._drop_lost()
        idle = now >= self._idle_at
        awaited = [partition for partition in self._assignment if partition.commit_barrier.due]
        if not (self._pending or idle or self._unsettled or awaited):
            return
        self._settle_unsettled()
        if self._failures:
            # librdkafka waits for a topic that is gone as for a broker, with all that is in the same transaction
            self._pending = self._ends.redirect(self._pending)
        batch = self._batch()
        requested = {partition: partition.commit_barrier.requested for partition in awaited}
        positions = self._positions(batch, tuple(self._assignment) if idle else awaited)
        if positions:
            self._write(batch, positions)
        for partition, number in requested.items():
            partition.commit_barrier.complete(number)
        if idle:
            self._idle_at = now + IDLE_INTERVAL

    def _drop_lost(self) -> None:
        pending, self._pending = self._pending, []
        for finished in pending:
            self.add(finished)

    def _drop(self, finished: Finished) -> None:
        RECORDS_PROCESSED.labels(self._group, "dropped").inc()
        if finished.job is not None:
            self._duplicates.ended(finished.job, finished.task, final=False)

    def _settle_unsettled(self) -> None:
        """Resolve an unknown end: take the id again, which ends the transaction, then check if it was committed."""
        if not self._producer.is_open:
            self._producer.open()
        if not self._unsettled:
            return
        partitions = {finished.task.partition for finished in self._pending}
        committed = self._committed([partition.toppar for partition in partitions])
        for finished in tuple(self._pending):
            partition, delivery = finished.task.partition, finished.task.delivery
            position = committed.get((partition.topic, partition.partition))
            if position is not None and position.covers(delivery.offset):
                self._pending.remove(finished)
                partition.finish([delivery])
                self._count(finished)
        self._unsettled = False

    def _committed(self, toppars: Sequence[TopicPartition]) -> dict[tuple[str, int], Position]:
        if not toppars:
            return {}
        try:
            found = committed(self._consumer, toppars, 5.0)
        except KafkaException as error:
            raise translate(error) from error
        return {
            (t.topic, t.partition): Position(t.offset, decode(t.offset, t.metadata)) for t in found if t.offset >= 0
        }

    def _batch(self) -> list[Finished]:
        if self._singly:
            return self._pending[:1]
        size = records = 0
        for count, finished in enumerate(self._pending):
            size, records = size + finished.bytes, records + len(finished.records)
            if count and (size > MOST_BYTES or records > MOST_RECORDS):
                return self._pending[:count]
        return list(self._pending)

    def _positions(self, batch: Sequence[Finished], others: Sequence[OwnedPartition]) -> dict[OwnedPartition, Position]:
        finishing = _by_partition(batch)
        positions = {p: p.position(finishing.get(p, ())) for p in dict.fromkeys((*finishing, *others))}
        return {p: position for p, position in positions.items() if p in finishing or position != p.committed}

    def _write(self, batch: Sequence[Finished], positions: dict[OwnedPartition, Position]) -> None:
        """Write records and offsets in one transaction; the tracked position advances only after it."""
        records = [record for finished in batch for record in finished.records]
        try:
            self._producer.commit(records, self._offset_groups(positions))
        except Aborted as error:
            if error.too_large:
                self._replace_end(batch, self._ends.refuse)
            TRANSACTIONS.labels(self._group, "aborted").inc()
            raise
        except Fatal as error:
            # no topic that a replay chose ends the process; one of ours does, when its turn comes
            if not any(finished.foreign_topic for finished in batch):
                raise
            self._replace_end(batch, self._ends.deny)
            TRANSACTIONS.labels(self._group, "aborted").inc()
            raise Aborted(str(error)) from error
        except Indefinite:
            self._unsettled = True
            TRANSACTIONS.labels(self._group, "indefinite").inc()
            raise
        TRANSACTIONS.labels(self._group, "committed").inc()
        self._applied(batch, positions)

    def _offset_groups(self, positions: dict[OwnedPartition, Position]) -> list[OffsetGroup]:
        if not self._partition_epochs:
            commits = tuple(partition.commit_of(position) for partition, position in positions.items())
            return [OffsetGroup(self._consumer.consumer_group_metadata(), commits)]
        groups: dict[int, list[OwnedPartition]] = defaultdict(list)
        for partition in positions:
            groups[id(partition.metadata)].append(partition)
        return [
            OffsetGroup(group[0].metadata, tuple(partition.commit_of(positions[partition]) for partition in group))
            for group in groups.values()
        ]

    def _applied(self, batch: Sequence[Finished], positions: dict[OwnedPartition, Position]) -> None:
        for finished in batch:
            self._count(finished)
        finishing = _by_partition(batch)
        for partition, position in positions.items():
            partition.finish(finishing.get(partition, []))
            partition.committed = position
            partition.gate.committed(len(position.metadata), len(position.done))
        del self._pending[: len(batch)]
        self._singly = max(0, self._singly - len(batch))

    def _replace_end(self, batch: Sequence[Finished], other_end: Callable[[Finished], Finished]) -> None:
        """Replace an end that the broker never accepts, so that it does not block all others."""
        if len(batch) == 1:
            self._pending[0] = other_end(batch[0])
        else:
            # the broker refuses whole batches, so the guilty one is not known yet
            self._singly = len(batch)

    def _count(self, finished: Finished) -> None:
        RECORDS_PROCESSED.labels(self._group, finished.outcome).inc()
        if finished.job is not None:
            self._duplicates.ended(finished.job, finished.task, finished.settlement.final)


def _unmarked(partition: OwnedPartition, found: Mapping[tuple[str, int], Position]) -> Position | None:
    """The committed position without marks; None when it is not the known one, as a commit would undo another's."""
    position, known = found.get((partition.topic, partition.partition)), partition.committed
    if position is None or known is None or (position.base, position.done) != (known.base, known.done):
        return None
    return partition.without_marks()


def _by_partition(batch: Sequence[Finished]) -> dict[OwnedPartition, list[Delivery]]:
    grouped: dict[OwnedPartition, list[Delivery]] = defaultdict(list)
    for finished in batch:
        grouped[finished.task.partition].append(finished.task.delivery)
    return grouped
