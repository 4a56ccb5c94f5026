"""The poll loop of one consumer group: one thread owns consumer and producer, and work happens elsewhere."""

import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from gpu_consumers.core.delivery.admission import GroupGate, due_at
from gpu_consumers.core.delivery.error_policy import DeviceLost
from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.kafka.partitions import REFRESH_SECONDS, Assignment, OwnedPartition, TopicIds, take
from gpu_consumers.kafka.transactional_producer import TransactionalProducer
from gpu_consumers.runtime.committer import REVOKE_SECONDS, Committer
from gpu_consumers.runtime.deduplicator import Deduplicator
from gpu_consumers.runtime.executor import Finished, JobTask
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.waiting import closed_gates, report_of
from gpu_consumers.runtime.worker_pool import WorkerPool
from producers.kafka.publisher import headers_of, translate
from producers.kafka.unreadable_batches import UnreadableBatches, fetching_config, is_unreadable
from schemas.errors import Fatal, Outage, ScribeError
from schemas.metrics import INFLIGHT
from schemas.process.failpoints import failpoint
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import WaitReport
from schemas.settings import KafkaSettings
from schemas.wire.headers import UNREADABLE

log = logging.getLogger(__name__)
BUSY_POLL = 0.003  # seconds: what finishes meanwhile waits so long
IDLE_POLL = 0.1
BURST = 100  # records taken in one turn
ABANDONED_SECONDS = 1.0  # for what is finished when another group has ended the process
STALE = 90.0  # seconds without a turn after which the loop counts as stuck


def consumer_config(settings: KafkaSettings, group: str, client_id: str) -> dict[str, Any]:
    """Settings of a GPU group's consumer; what the promises rest on cannot be overridden."""
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


class GroupConsumer:
    """Runs in one thread; others may only ask about its state."""

    def __init__(
        self,
        group: str,
        topics: Sequence[str],
        *,
        consumer: Consumer,
        producer: TransactionalProducer,
        assignment: Assignment,
        committer: Committer,
        pool: WorkerPool,
        gate: GroupGate,
        duplicates: Deduplicator[JobTask],
        retry_delays: Mapping[str, float],
        drain: Shutdown,
        unreadable: UnreadableBatches,
        set_aside: Callable[[JobTask, str], Finished],
        informed: Callable[[], bool] = lambda: True,
        topic_ids: TopicIds = lambda _: {},
    ) -> None:
        """`retry_delays`: the group's retry topics and the longest wait (seconds) of a record in each. `set_aside`: the end of what cannot be read, and why not. `informed`: whether what was cancelled, and what tenants may do, is known."""
        self.group = group
        self._topics = [*topics, *retry_delays]
        self._consumer = consumer
        self._producer = producer
        self._assignment = assignment
        self._committer = committer
        self._pool = pool
        self._gate = gate
        self._duplicates = duplicates
        self._retry_delays = retry_delays
        self._drain = drain
        self._unreadable = unreadable
        self._set_aside = set_aside
        self._informed = informed
        self._topic_ids = topic_ids
        self._owner = secrets.token_hex(3)
        self._failure: BaseException | None = None
        self._draining = False
        self._joined = False
        self._turned_at = time.monotonic()
        self._last_error = ("", 0.0)

    @property
    def missing(self) -> str | None:
        """What it waits for before it can do its part; None when nothing."""
        if not (self._joined and self._producer.is_open):
            return "has not joined"
        return "cannot commit" if self._committer.failing else None

    @property
    def informed(self) -> bool:
        """Whether it knows what was cancelled and what tenants may do."""
        return self._informed()

    @property
    def stuck(self) -> bool:
        """Whether the loop makes no progress."""
        return time.monotonic() - self._turned_at > STALE

    @property
    def hanging(self) -> int:
        """How many jobs do not move any more."""
        return len(self._pool.hanging)

    def waits(self) -> WaitReport:
        """Which gate holds each of its records; may be asked from any thread."""
        closed = closed_gates(
            joined=self._joined and self._producer.is_open,
            informed=self.informed,
            draining=self._drain.requested.is_set(),
            committing=not self._committer.failing,
        )
        held = [
            *self._pool.waiting(),
            *((task, WaitReason.DUPLICATE) for task in self._duplicates.waiting()),
            *((task, WaitReason.COMMIT_PENDING) for task in self._committer.unwritten()),
        ]
        full = self._gate.closed or self._draining
        return report_of(self.group, self._assignment, held, self._pool.working(), closed, full=full)

    def run(self) -> None:
        """Work until drained; raises Fatal. Leaves the group in every case."""
        try:
            self._open()
            self._await_orders()
            self._pool.start()
            self._subscribe()
            while not self._ended():
                self._turn()
        except BaseException as error:  # whatever ends this group ends the process
            self._failure = error
            self._drain.abandon()
            raise
        finally:
            self._pool.stop()
            self._consumer.close()
            self._producer.close()

    def _open(self) -> None:
        """Take the transactional.id before any partition: that ends what a former holder left open."""
        while not (self._producer.is_open or self._drain.requested.is_set()):
            self._turned_at = time.monotonic()
            try:
                self._producer.open()
            except Outage as error:
                log.warning("%s: waiting for Kafka: %s", self.group, error)
                self._drain.requested.wait(0.5)

    def _await_orders(self) -> None:
        """No work before it is known what was cancelled and what tenants may do."""
        while not (self._informed() or self._drain.requested.is_set()):
            self._turned_at = time.monotonic()
            self._drain.requested.wait(0.05)

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _turn(self) -> None:
        self._turned_at = time.monotonic()
        if self._drain.requested.is_set() and not self._draining:
            self._begin_drain()
        self._receive()
        self._release()
        self._collect()
        self._committer.flush(time.monotonic())
        self._set_pauses()

    def _ended(self) -> bool:
        if (failure := self._pool.failure or self._failure) is not None:
            raise failure
        if self._drain.abandoned or not self._draining:
            return self._drain.abandoned
        # in this order: a worker hands over what it finished before it counts as free
        at_rest = self._pool.busy == 0 and self._pool.finished.empty() and not self._committer.waiting
        return at_rest or self._drain.over

    def _begin_drain(self) -> None:
        log.info("%s: draining for at most %g s", self.group, self._drain.seconds)
        self._draining = True
        self._pool.discard()

    def _receive(self) -> None:
        """Take what has been fetched, until the workers have enough."""
        message = self._consumer.poll(BUSY_POLL if self._assignment.in_flight else IDLE_POLL)
        taken = 0
        while message is not None:
            self._take(message)
            taken += 1
            # whatever is polled must be taken: the position has moved past it
            if taken == BURST or self._full():
                return
            message = self._consumer.poll(0)

    def _take(self, message: "Message[Any, Any]") -> None:
        topic, number, offset = message.topic() or "", message.partition(), message.offset()
        error = message.error()
        if is_unreadable(message):
            return self._pass_over(message)
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            return self._complain(error)
        partition = self._assignment.find(topic, number if number is not None else -1)
        # what is not noted as received is not committed either, so a draining process may just drop it
        if partition is None or offset is None or self._draining:
            return None
        if error is not None:
            return partition.offsets.reach_end(offset)
        delivery = Delivery(topic, partition.partition, offset, message.key(), message.value(), headers_of(message))
        if partition.receive(delivery):
            failpoint("gpu.after_poll")
            self._admit(partition, delivery, _written(message))
        return None

    def _pass_over(self, message: "Message[Any, Any]") -> None:
        """Go on behind a batch that cannot be opened: one dead letter, at the last of its offsets, tells of it."""
        partition = self._assignment.find(message.topic() or "", message.partition() or 0)
        if partition is None or self._draining:
            return
        try:
            if (batch := self._unreadable.detect(message)) is None:
                return
            self._consumer.seek(batch.behind)
        except (KafkaException, Outage) as error:
            # the same batch comes again
            log.warning("%s: %s", self.group, error)
            return
        delivery = Delivery(batch.topic, batch.partition, batch.last, None, None, {UNREADABLE: "true"})
        if partition.receive(delivery):
            self._committer.add(self._set_aside(JobTask(delivery, partition), batch.reason))

    def _full(self) -> bool:
        return self._gate.update(self._assignment.in_flight, self._assignment.bytes_in_flight)

    def _admit(self, partition: OwnedPartition, delivery: Delivery, written: float) -> None:
        """To the workers, or aside until it falls due; only our own retry topics may ask for delay."""
        longest = self._retry_delays.get(delivery.topic)
        now = time.time()
        due = now if longest is None else due_at(delivery.headers, written, now, longest)
        if due > now or partition.gate.held:
            partition.hold(delivery, due)
        else:
            self._pool.submit(JobTask(delivery, partition))

    def _release(self) -> None:
        if self._draining:
            return
        now = time.time()
        for partition in self._assignment:
            for delivery in partition.release(now):
                self._pool.submit(JobTask(delivery, partition))
        for task in self._duplicates.released():
            self._pool.submit(task)

    def _collect(self) -> None:
        while not self._pool.finished.empty():
            self._committer.add(self._pool.finished.get())
        INFLIGHT.labels(self.group).set(self._assignment.in_flight)

    def _set_pauses(self) -> None:
        """Pause and resume what changed; a paused partition is still polled."""
        full = self._full() or self._draining
        changed = [p for p in self._assignment if p.gate.paused(full) != p.paused]
        for partition in changed:
            partition.paused = not partition.paused
        for call, paused in ((self._consumer.pause, True), (self._consumer.resume, False)):
            if toppars := [p.toppar for p in changed if p.paused is paused]:
                call(toppars)

    def _complain(self, error: KafkaError) -> None:
        """Errors of the consumer pass by themselves, but for refused access and fatal ones."""
        ours = translate(error)
        if error.fatal() or isinstance(ours, Fatal):
            raise Fatal(str(ours))
        # librdkafka repeats them at every attempt to fetch
        if str(ours) != self._last_error[0] or time.monotonic() - self._last_error[1] > 60:
            self._last_error = (str(ours), time.monotonic())
            log.warning("%s: %s", self.group, ours)

    def _on_assign(self, consumer: Consumer, toppars: list[TopicPartition]) -> None:
        self._turned_at = time.monotonic()  # it may take a minute
        for partition in take(consumer, toppars, self._known_ids, self._owner):
            self._assignment.add(partition)
        self._joined = True
        log.info("%s: assigned %s", self.group, _names(toppars))

    def _on_revoke(self, consumer: Consumer, toppars: list[TopicPartition]) -> None:
        """Commit what is finished while we own it; what still runs is dropped when it ends."""
        if not self._record_is_to_blame:
            self._leave(self._assignment.of(toppars))
        self._on_lost(consumer, toppars)

    @property
    def _record_is_to_blame(self) -> bool:
        """Whether the process ends by what a worker met, so that the marks of what was begun must stay."""
        failure = self._pool.failure
        return failure is not None and (isinstance(failure, DeviceLost) or not isinstance(failure, Fatal))

    def _leave(self, partitions: Sequence[OwnedPartition]) -> None:
        for partition in partitions:
            partition.leaving = True
        if self._failure is not None:
            self._committer.take_marks_back(partitions)
            return
        try:
            self._flush_all()
        except Fatal as error:
            # the next turn would meet it too, and there is none when the consumer closes
            self._failure = error
            self._drain.abandon()
            self._committer.take_marks_back(partitions)

    def _flush_all(self) -> None:
        """Also what ends meanwhile, once: what ends later is done again by the next owner."""
        for _ in range(2):
            self._collect()
            self._committer.flush_all(ABANDONED_SECONDS if self._drain.abandoned else REVOKE_SECONDS)
            if self._pool.finished.empty():
                return

    def _known_ids(self, names: Collection[str]) -> Mapping[str, str]:
        try:
            return self._topic_ids(names)
        except ScribeError as error:
            log.warning("%s: topics that were made anew may not be noticed: %s", self.group, error)
            return {}

    def _on_lost(self, consumer: Consumer, toppars: list[TopicPartition]) -> None:
        self._assignment.forget(toppars)
        if toppars:
            consumer.incremental_unassign(toppars)
        log.info("%s: gave back %s", self.group, _names(toppars))


def _written(message: "Message[Any, Any]") -> float:
    """The timestamp of a record in Unix seconds, 0 when it has none: then nothing lets it wait."""
    _, milliseconds = message.timestamp()
    return max(0, milliseconds) / 1000


def _names(toppars: Sequence[TopicPartition]) -> str:
    return ", ".join(f"{t.topic}[{t.partition}]" for t in toppars) or "nothing"
