"""Intake of one consumer group: polled records become tasks or wait; partitions pause while the workers have enough."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from gpu_consumers.core.delivery.admission import GroupGate, due_at
from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.kafka.partitions import Assignment, OwnedPartition
from gpu_consumers.runtime.committer import Committer
from gpu_consumers.runtime.deduplicator import Deduplicator
from gpu_consumers.runtime.execution.ends import JobEnds
from gpu_consumers.runtime.tasks import JobTask
from gpu_consumers.runtime.worker_pool import WorkerPool
from producers.kafka.publisher import headers_of, translate
from producers.kafka.unreadable_batches import UnreadableBatches, is_unreadable
from schemas.errors import Fatal, Outage
from schemas.process.failpoints import failpoint
from schemas.wire.headers import UNREADABLE

log = logging.getLogger(__name__)
BUSY_POLL = 0.003  # seconds: what finishes meanwhile waits so long
IDLE_POLL = 0.1
BURST = 100  # records taken in one turn
REPEAT_SECONDS = 60.0  # after which the same error of the consumer is logged again


@dataclass(frozen=True, slots=True)
class IntakeParts:
    """Collaborators of the intake of one group."""

    group: str
    consumer: Consumer
    assignment: Assignment
    gate: GroupGate
    pool: WorkerPool
    duplicates: Deduplicator[JobTask]
    unreadable: UnreadableBatches
    ends: JobEnds
    committer: Committer
    retry_delays: Mapping[str, float]
    """The group's retry topics, each with the longest wait of a record in it, in seconds."""


class Intake:
    """Accepts records for one group; belongs to the poll thread."""

    def __init__(self, parts: IntakeParts) -> None:
        self._parts = parts
        self._assignment = parts.assignment
        self._closed = False
        self._last_error = ("", 0.0)

    def receive(self) -> None:
        """Accept fetched records until the workers have enough; raises Fatal."""
        consumer = self._parts.consumer
        message = consumer.poll(BUSY_POLL if self._assignment.in_flight else IDLE_POLL)
        taken = 0
        while message is not None:
            self._take(message)
            taken += 1
            # whatever is polled must be taken: the position has moved past it
            if taken == BURST or self._full():
                return
            message = consumer.poll(0)

    def release(self) -> None:
        """Pass on records that have fallen due, and duplicates that may be retried."""
        if self._closed:
            return
        now = time.time()
        for partition in self._assignment:
            for delivery in partition.release(now):
                self._parts.pool.submit(JobTask(delivery, partition))
        for task in self._parts.duplicates.released():
            self._parts.pool.submit(task)

    def pause(self) -> None:
        """Pause and resume the partitions whose gates have changed; a paused partition is still polled."""
        full = self._full() or self._closed
        changed = [p for p in self._assignment if p.gate.paused(full) != p.paused]
        for partition in changed:
            partition.paused = not partition.paused
        consumer = self._parts.consumer
        for call, paused in ((consumer.pause, True), (consumer.resume, False)):
            if toppars := [p.toppar for p in changed if p.paused is paused]:
                call(toppars)

    @property
    def full(self) -> bool:
        """Whether as much is in flight as may be; may be asked from any thread."""
        return self._parts.gate.closed

    def partitions(self) -> list[OwnedPartition]:
        """The current assignments."""
        return list(self._assignment)

    def duplicates(self) -> list[JobTask]:
        """Tasks that wait for the end of another record of their job."""
        return self._parts.duplicates.waiting()

    def close(self) -> None:
        """Accept no more records, and forget tasks that no worker has begun."""
        self._closed = True
        self._parts.pool.discard()

    def _take(self, message: "Message[Any, Any]") -> None:
        topic, number, offset = message.topic() or "", message.partition(), message.offset()
        error = message.error()
        if is_unreadable(message):
            return self._skip_unreadable(message)
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            return self._report(error)
        partition = self._assignment.find(topic, number if number is not None else -1)
        # what is not noted as received is not committed either, so a process that shuts down may just drop it
        if partition is None or offset is None or self._closed:
            return None
        if error is not None:
            return partition.offsets.reach_end(offset)
        delivery = Delivery(topic, partition.partition, offset, message.key(), message.value(), headers_of(message))
        if partition.receive(delivery):
            failpoint("gpu.after_poll")
            self._admit(partition, delivery, _written_at(message))
        return None

    def _skip_unreadable(self, message: "Message[Any, Any]") -> None:
        """Skip a batch that cannot be opened: one dead letter stands for it, at the last of its offsets."""
        partition = self._assignment.find(message.topic() or "", message.partition() or 0)
        if partition is None or self._closed:
            return
        try:
            if (batch := self._parts.unreadable.detect(message)) is None:
                return
            self._parts.consumer.seek(batch.behind)
        except (KafkaException, Outage) as error:
            # the same batch comes again
            log.warning("%s: %s", self._parts.group, error)
            return
        delivery = Delivery(batch.topic, batch.partition, batch.last, None, None, {UNREADABLE: "true"})
        if partition.receive(delivery):
            self._parts.committer.add(self._parts.ends.unreadable(JobTask(delivery, partition), batch.reason))

    def _admit(self, partition: OwnedPartition, delivery: Delivery, written: float) -> None:
        """Pass a record to the workers, or hold it until it falls due; only our own retry topics may delay records."""
        longest = self._parts.retry_delays.get(delivery.topic)
        now = time.time()
        due = now if longest is None else due_at(delivery.headers, written, now, longest)
        if due > now or partition.gate.held:
            partition.hold(delivery, due)
        else:
            self._parts.pool.submit(JobTask(delivery, partition))

    def _full(self) -> bool:
        return self._parts.gate.update(self._assignment.in_flight, self._assignment.bytes_in_flight)

    def _report(self, error: KafkaError) -> None:
        """Log an error of the consumer, which passes by itself; raises Fatal for refused access and fatal errors."""
        ours = translate(error)
        if error.fatal() or isinstance(ours, Fatal):
            raise Fatal(str(ours))
        # librdkafka repeats them at every attempt to fetch
        if str(ours) != self._last_error[0] or time.monotonic() - self._last_error[1] > REPEAT_SECONDS:
            self._last_error = (str(ours), time.monotonic())
            log.warning("%s: %s", self._parts.group, ours)


def _written_at(message: "Message[Any, Any]") -> float:
    """The timestamp of a record in Unix seconds; 0 when it has none, so that it is not held back."""
    _, milliseconds = message.timestamp()
    return max(0, milliseconds) / 1000
