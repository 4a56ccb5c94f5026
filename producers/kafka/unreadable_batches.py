"""Detection of batches that the client library cannot open, and would retry for ever without reading further.

A broker accepts batches that no client can open: extra bytes after a compressed frame, two streams where readers expect
one, a kilobyte that decompresses to gigabytes. The library reports where such a batch begins; its end is found by
queries.
"""

import logging
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from producers.kafka.moved_leaders import watermarks
from producers.kafka.publisher import translate
from schemas.errors import Outage
from schemas.settings.kafka import KafkaSettings
from sink.records.kafka.rights import READERS
from sink.records.kafka.security import client_config

log = logging.getLogger(__name__)
TRIES = 3  # fetches of a batch that cannot be opened: it may have been damaged on its way here only
SECONDS = 15.0  # for the answer to one question to the broker
MOST_BATCH_BYTES = 32 * 1024 * 1024  # once decompressed, as in the Faust apps
FETCH_BYTES = 16 * 1024
BULK_FETCH_BYTES = 1_000_000  # for commands that read whole topics, in a process of their own
_CODES = frozenset(
    {
        *(KafkaError._BAD_COMPRESSION, KafkaError._BAD_MSG, KafkaError._UNDERFLOW, KafkaError._NOT_IMPLEMENTED),
        *(KafkaError.INVALID_MSG, KafkaError.INVALID_MSG_SIZE, KafkaError.MSG_SIZE_TOO_LARGE),
    }
)


@dataclass(frozen=True, slots=True)
class UnreadableBatch:
    """The offsets `first` to `last` of a partition, of which no record can be read."""

    topic: str
    partition: int
    first: int
    last: int
    cause: str

    @property
    def reason(self) -> str:
        """The reason for logs and dead letters."""
        where = f"offset {self.last}" if self.first == self.last else f"offsets {self.first} to {self.last}"
        return f"{where} cannot be read: {self.cause}"

    @property
    def behind(self) -> TopicPartition:
        """The offset where reading continues."""
        return TopicPartition(self.topic, self.partition, self.last + 1)


def is_unreadable(message: "Message[Any, Any]") -> bool:
    """Whether a message is the error of a batch that could not be opened."""
    error = message.error()
    return error is not None and error.code() in _CODES and message.topic() is not None and (message.offset() or 0) >= 0


def fetching_config(settings: KafkaSettings, client_id: str, fetch_bytes: int = FETCH_BYTES) -> dict[str, Any]:
    """Common configuration of every consumer, so that all of them can open the same batches.

    `fetch_bytes`, counted compressed, are fetched at once, or one batch if that is larger: zstd may expand them by a
    factor of 30,000, all of which is in memory before the first record is returned.
    """
    return {
        **client_config(settings, client_id),
        # what a batch may become in zstd; the other codecs are far from it
        "receive.message.max.bytes": MOST_BATCH_BYTES,
        "fetch.message.max.bytes": fetch_bytes,
        "fetch.max.bytes": fetch_bytes,
        "message.max.bytes": fetch_bytes,  # librdkafka fetches no less than that
        "fetch.error.backoff.ms": 100,
    }


def reading_config(
    settings: KafkaSettings, client_id: str, *, fetch_bytes: int = FETCH_BYTES, wait_ms: int = 50
) -> dict[str, Any]:
    """Configuration of consumers that read partitions from any offset to their ends, and commit nothing."""
    return {
        **fetching_config(settings, client_id, fetch_bytes),
        # librdkafka wants a name, which it looks up and which a right may be given for
        "group.id": READERS,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        # what is over by retention while it is read is passed over, not an error
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": wait_ms,
    }


class UnreadableBatches:
    """Distinguishes transmission errors from batches that no client can open; belongs to the thread of one consumer."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._tries: dict[tuple[str, int], tuple[int, int]] = {}  # by partition: where the batch begins, how often met

    def detect(self, message: "Message[Any, Any]") -> UnreadableBatch | None:
        """The batch of an error for which `is_unreadable`, None before TRIES failures in a row; raises Outage."""
        topic, partition, first = message.topic() or "", message.partition() or 0, message.offset() or 0
        before, tries = self._tries.get((topic, partition), (first, 0))
        tries = tries + 1 if before == first else 1
        self._tries[topic, partition] = first, tries
        if tries < TRIES:
            return None
        last = self._last_of(topic, partition, first)
        del self._tries[topic, partition]
        error = message.error()
        found = UnreadableBatch(topic, partition, first, last, error.str() if error else "")
        log.error("%s [%d]: %s", topic, partition, found.reason)
        return found

    def _last_of(self, topic: str, partition: int, first: int) -> int:
        """The last offset of the batch that begins at `first`, which a broker returns whole for every offset in it."""
        config = reading_config(self._settings, f"{self._client_id}.unreadable", fetch_bytes=1000)
        try:
            with closing(Consumer({**config, "log_level": 0})) as consumer:
                _, end = watermarks(consumer, TopicPartition(topic, partition), SECONDS)
                return _last_within(consumer, TopicPartition(topic, partition, first), end)
        except KafkaException as error:
            raise translate(error, topic) from error


def _last_within(consumer: Consumer, begin: TopicPartition, end: int) -> int:
    """The last offset below `end` that belongs to the batch at `begin`, by exponential and then binary search."""
    inside, outside, step = begin.offset, end, 1
    while inside + 1 < outside:
        asked = inside + min(step, (outside - inside) // 2)
        if _is_within(consumer, begin, asked):
            inside, step = asked, 2 * step
        else:
            outside = asked
    return inside


def _is_within(consumer: Consumer, begin: TopicPartition, asked: int) -> bool:
    """Whether the broker returns the batch at `begin` for an offset."""
    consumer.assign([TopicPartition(begin.topic, begin.partition, asked)])
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        message = consumer.poll(0.1)
        if message is None:
            continue
        if is_unreadable(message):
            return message.offset() == begin.offset
        error = message.error()
        if error is None or error.code() == KafkaError._PARTITION_EOF:
            return False
    raise Outage(f"Kafka: nothing came of {begin.topic} [{begin.partition}] within {SECONDS:g} s")
