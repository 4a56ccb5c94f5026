"""Requests to Kafka with retries while a partition's leader or a group's coordinator moves to another broker."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

T = TypeVar("T")
PAUSE = 0.2  # seconds between two attempts

# what a broker answers of a partition that it has yet to lead, or leads no longer, and of a group likewise: librdkafka
# hands both on at once, for a topic that was made a moment ago too
_MOVING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)


def is_moving(error: KafkaError) -> bool:
    """Whether a leader or a coordinator moves to another broker."""
    return error.code() in _MOVING


def ask_again(ask: Callable[[float], T], seconds: float, passes: Callable[[KafkaError], bool] = is_moving) -> T:
    """Retry `ask`, called with its time limit in seconds, for up to `seconds`; raises KafkaException."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask(max(0.1, deadline - time.monotonic()))
        except KafkaException as error:
            if not passes(error.args[0]) or time.monotonic() + PAUSE > deadline:
                raise
            time.sleep(PAUSE)


def watermarks(consumer: Consumer, partition: TopicPartition, seconds: float) -> tuple[int, int]:
    """First offset and end of a partition; raises KafkaException."""
    return ask_again(lambda left: consumer.get_watermark_offsets(partition, timeout=left), seconds)


def committed(
    consumer: Consumer,
    partitions: Sequence[TopicPartition],
    seconds: float,
    passes: Callable[[KafkaError], bool] = is_moving,
) -> list[TopicPartition]:
    """Committed offsets of the consumer's group; raises KafkaException, also for the error of a single partition."""

    def ask(left: float) -> list[TopicPartition]:
        found = consumer.committed(list(partitions), timeout=left)
        for failed in (partition.error for partition in found if partition.error is not None):
            raise KafkaException(failed)
        return found

    return ask_again(ask, seconds, passes)
