"""Partitions owned by this process, each with its offsets, its pauses and the epoch of its assignment."""

import logging
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from gpu_consumers.core.delivery.admission import PartitionGate
from gpu_consumers.core.delivery.crash_suspects import CrashSuspects
from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position, is_anew, restore
from gpu_consumers.kafka.commit_barrier import CommitBarrier
from producers.kafka.moved_leaders import ask_again, committed
from producers.kafka.publisher import translate
from schemas.errors import Fatal

log = logging.getLogger(__name__)
# the broker may need the transaction timeout and up to ten seconds more to end what a dead owner left open
COMMITTED_TIMEOUT = 60.0
ENDS_TIMEOUT = 2.0  # for those of a partition of which nothing was committed
REFRESH_SECONDS = 10.0  # between two questions of the client what partitions its topics have
NEWS_SECONDS = 3 * REFRESH_SECONDS
ANY_OFFSET = 2**62  # above every offset
TopicIds = Callable[[Collection[str]], Mapping[str, str]]
"""The ids of topics by their names, as far as they are known."""
_NOT_YET = (KafkaError._UNKNOWN_PARTITION, KafkaError._TIMED_OUT, KafkaError.LEADER_NOT_AVAILABLE)


@dataclass(eq=False, slots=True)
class OwnedPartition:
    """One assignment of one partition: its identity is the ownership epoch."""

    topic: str
    partition: int
    offsets: PartitionOffsets
    metadata: Any  # of the group, as it was when the partition was assigned: brokers check ownership by it
    committed: Position | None
    suspects: CrashSuspects = field(default_factory=CrashSuspects)
    commit_barrier: CommitBarrier = field(default_factory=CommitBarrier)
    gate: PartitionGate[Delivery] = field(default_factory=PartitionGate)
    topic_id: str = ""
    bytes_in_flight: int = 0
    bytes_held: int = 0
    since: dict[int, float] = field(default_factory=dict)
    """When each record in flight was received, in monotonic seconds."""
    paused: bool = False
    leaving: bool = False  # it is given back in good order
    owned: bool = True  # read by worker threads

    def receive(self, delivery: Delivery) -> bool:
        """Note a polled record; False when it must be skipped."""
        fresh = self.offsets.receive(delivery.offset)
        if fresh:
            self.bytes_in_flight += delivery.size_bytes
            self.since[delivery.offset] = time.monotonic()
        return fresh

    def hold(self, delivery: Delivery, due: float) -> None:
        """Hold a record until it falls due (Unix seconds)."""
        self.gate.hold(delivery, due)
        self.bytes_held += delivery.size_bytes

    def release(self, now: float) -> list[Delivery]:
        """The held records that have fallen due at `now` (Unix seconds)."""
        due = list(self.gate.release(now))
        self.bytes_held -= sum(delivery.size_bytes for delivery in due)
        return due

    def finish(self, deliveries: Sequence[Delivery]) -> None:
        """Note that these deliveries are committed."""
        offsets = [delivery.offset for delivery in deliveries]
        self.offsets.finish(offsets)
        self.suspects.finish(offsets)
        for offset in offsets:
            self.since.pop(offset, None)
        self.bytes_in_flight -= sum(delivery.size_bytes for delivery in deliveries)

    def position(self, finishing: Sequence[Delivery] = ()) -> Position:
        """The position to commit once these deliveries have taken effect, with the marks of started records."""
        offsets = [delivery.offset for delivery in finishing]
        reached = self.offsets.position(offsets)
        marks = self.suspects.marks(offsets, leaving=self.leaving)
        # the record of a mark may be gone from the topic
        begun = tuple(mark for mark in marks.begun if mark.offset >= reached.base)
        return Position(reached.base, reached.done, replace(marks, begun=begun), self.topic_id)

    def without_marks(self) -> Position | None:
        """The committed position without the marks that a clean leave removes; None when it has none."""
        if self.committed is None:
            return None
        marks = self.suspects.marks(leaving=True)
        begun = tuple(mark for mark in marks.begun if mark.offset >= self.committed.base)
        return replace(self.committed, marks=replace(marks, begun=begun))

    @property
    def toppar(self) -> TopicPartition:
        """The partition without an offset, for calls that take none."""
        return TopicPartition(self.topic, self.partition)

    def commit_of(self, position: Position) -> TopicPartition:
        """The partition with `position`, for commits."""
        return TopicPartition(self.topic, self.partition, position.base, position.metadata)


class Assignment:
    """All partitions of one consumer; changed by the poll thread only."""

    def __init__(self) -> None:
        self._owned: dict[tuple[str, int], OwnedPartition] = {}

    def __iter__(self) -> Iterator[OwnedPartition]:
        return iter(tuple(self._owned.values()))

    @property
    def in_flight(self) -> int:
        """Number of records received and not finished, except those that wait for their due time."""
        return sum(len(p.offsets.in_flight) - len(p.gate.held) for p in self._owned.values())

    @property
    def bytes_in_flight(self) -> int:
        """Size of these records, with their headers."""
        return sum(partition.bytes_in_flight - partition.bytes_held for partition in self._owned.values())

    def find(self, topic: str, partition: int) -> OwnedPartition | None:
        """The current assignment of a partition."""
        return self._owned.get((topic, partition))

    def owned(self, toppars: Iterable[TopicPartition]) -> list[OwnedPartition]:
        """The current assignments among these partitions."""
        found = (self.find(toppar.topic, toppar.partition) for toppar in toppars)
        return [partition for partition in found if partition is not None]

    def add(self, partition: OwnedPartition) -> None:
        """Begin an assignment; an earlier one that was never revoked ends."""
        self.forget([partition.toppar])
        self._owned[partition.topic, partition.partition] = partition

    def forget(self, toppars: Iterable[TopicPartition]) -> None:
        """End assignments: their work in progress is dropped when it ends."""
        for toppar in toppars:
            if partition := self._owned.pop((toppar.topic, toppar.partition), None):
                partition.owned = False


def take(
    consumer: Consumer, toppars: Sequence[TopicPartition], topic_ids: TopicIds = lambda _: {}, owner: str = ""
) -> list[OwnedPartition]:
    """Assign partitions at their committed positions; called within on_assign, also with none."""
    if not toppars:
        return []
    ids = {name: short_id(found) for name, found in topic_ids({toppar.topic for toppar in toppars}).items()}
    starts = [_start(consumer, found, ids.get(found.topic, "")) for found in _committed(consumer, toppars)]
    consumer.incremental_assign([TopicPartition(t.topic, t.partition, start.base) for t, start, _ in starts])
    # librdkafka keeps the pause flag of a partition that was here before
    consumer.resume(list(toppars))
    metadata = consumer.consumer_group_metadata()
    return [
        OwnedPartition(
            topic=toppar.topic,
            partition=toppar.partition,
            offsets=PartitionOffsets(start),
            metadata=metadata,
            committed=known,
            suspects=CrashSuspects(start.marks, owner),
            topic_id=start.topic_id,
        )
        for toppar, start, known in starts
    ]


def short_id(topic_id: str) -> str:
    """A topic's id, shortened but still distinct from the one before; offset metadata has little room."""
    return re.sub("[^0-9A-Za-z]", "", topic_id)[:10]


def _start(
    consumer: Consumer, committed: TopicPartition, topic_id: str
) -> tuple[TopicPartition, Position, Position | None]:
    low, high = _watermarks(consumer, committed)
    start = restore(committed.offset, committed.metadata, low, high, topic_id)
    anew = is_anew(committed.offset, committed.metadata, high, topic_id)
    if anew:
        log.warning(
            "%s [%d] was made anew since offset %d was committed: it is read from its beginning",
            committed.topic,
            committed.partition,
            committed.offset,
        )
    return committed, start, start if committed.offset == start.base and not anew else None


def _committed(consumer: Consumer, toppars: Sequence[TopicPartition]) -> list[TopicPartition]:
    """The committed offsets, after open transactions of a former owner; without an answer it is unsafe to start."""
    try:
        return committed(consumer, toppars, COMMITTED_TIMEOUT, passes=_is_no_refusal)
    except KafkaException as error:
        raise Fatal(f"cannot read the committed offsets: {error}") from error


def _watermarks(consumer: Consumer, toppar: TopicPartition) -> tuple[int, int]:
    """The first and last offset of a partition; groups may see new partitions of a topic before this client does.

    Without any commit they are not needed: reading begins at the first available record. Otherwise they reveal a
    recreated topic, so the call waits until the client has refreshed its metadata.
    """
    known = toppar.offset >= 0

    def ask(left: float) -> tuple[int, int]:
        return consumer.get_watermark_offsets(toppar, timeout=left if known else ENDS_TIMEOUT)

    def needless(error: KafkaError) -> bool:
        return not known and error.code() in _NOT_YET

    try:
        return ask_again(ask, NEWS_SECONDS, lambda error: not needless(error) and _is_no_refusal(error))
    except KafkaException as error:
        if needless(error.args[0]):
            return 0, ANY_OFFSET
        raise Fatal(f"cannot read the ends of {toppar.topic} [{toppar.partition}]: {error}") from error


def _is_no_refusal(error: KafkaError) -> bool:
    return not isinstance(translate(error), Fatal)
