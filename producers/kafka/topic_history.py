"""Reader of topics from a time or an offset up to their present ends, without a consumer group."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from producers.kafka.admin import TopicAdmin
from producers.kafka.moved_leaders import ask_again, watermarks
from producers.kafka.publisher import client_log, headers_of, options_checked, translate
from producers.kafka.unreadable_batches import BULK_FETCH_BYTES, UnreadableBatches, is_unreadable, reading_config
from schemas.errors import Outage
from schemas.requests.limits import LATEST
from schemas.settings.kafka import KafkaSettings
from schemas.wire.headers import UNREADABLE, Origin

SECONDS = 15.0  # without anything new before the broker counts as away
BATCH = 500
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record and its position; `at` is its timestamp, `unreadable` the reason why its contents are missing."""

    place: Origin
    at: datetime
    key: bytes | None
    value: bytes | None
    headers: dict[str, str] = field(default_factory=dict)
    unreadable: str | None = None


class TopicHistory:
    """Reads committed records without affecting others; belongs to one thread; methods raise Outage and Fatal."""

    def __init__(self, settings: KafkaSettings, consumer: Consumer, client_id: str) -> None:
        self._settings = settings
        self._consumer = consumer
        self._unreadable = UnreadableBatches(settings, client_id)

    @classmethod
    @contextmanager
    def open(cls, settings: KafkaSettings, client_id: str = "scribe-cli") -> Iterator["TopicHistory"]:
        """A reader on the broker of the settings."""
        config = reading_config(settings, client_id, fetch_bytes=BULK_FETCH_BYTES)
        with options_checked():
            consumer = Consumer({**config, "log_level": 0}, logger=client_log)
        with closing(consumer):
            yield cls(settings, consumer, client_id)

    def records(self, topics: Sequence[str], since: datetime | None = None) -> Iterator[StoredRecord]:
        """Every readable record in the topics now, from `since` if it is given; in order by partition."""
        found = self._up_to(self._ranges(topics, since))
        yield from (record for record in found if record.unreadable is None)

    def ranges(self, topics: Sequence[str], since: datetime | None = None) -> Mapping[tuple[str, int], tuple[int, int]]:
        """First offset, that of `since` if it is given, and end of each partition that is not empty."""
        return self._ranges(topics, since)

    def later(
        self, ranges: Mapping[tuple[str, int], tuple[int, int]], since: datetime | None
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """The part of each range from `since`, if it is given; without the parts that are empty."""
        found = dict(ranges)
        for place, first in self._offsets_at(list(ranges), since).items():
            low, high = found[place]
            found[place] = (high if first < 0 else max(low, first), high)
        return {place: (low, high) for place, (low, high) in found.items() if low < high}

    def between(self, ranges: Mapping[tuple[str, int], tuple[int, int]]) -> Iterator[StoredRecord]:
        """Every readable record of ranges of partitions, each from its first offset up to its end."""
        found = self._up_to({place: (low, high) for place, (low, high) in ranges.items() if low < high})
        yield from (record for record in found if record.unreadable is None)

    def partitions(self, topic: str) -> int:
        """The number of partitions of a topic; 0 when it does not exist."""
        return TopicAdmin(self._settings).partitions([topic]).get(topic, 0)

    def at(self, place: Origin) -> StoredRecord | None:
        """The record at a position, even if unreadable; None when it has expired or never existed."""
        if not 0 <= place.partition < self.partitions(place.topic):
            return None
        low, high = self._watermarks(place.topic, place.partition)
        if not low <= place.offset < high:
            return None
        found = self._up_to({(place.topic, place.partition): (place.offset, place.offset + 1)})
        return next((record for record in found if record.place == place), None)

    def _ranges(self, topics: Sequence[str], since: datetime | None) -> dict[tuple[str, int], tuple[int, int]]:
        """First offset and end of each partition that is not empty."""
        partitions = TopicAdmin(self._settings).partitions(topics)
        if missing := [topic for topic in topics if topic not in partitions]:
            raise Outage(f"Kafka has no topic {', '.join(missing)}; create it with `scribe topics apply`")
        places = [(topic, partition) for topic in topics for partition in range(partitions[topic])]
        return self.later({place: self._watermarks(*place) for place in places}, since)

    def _offsets_at(self, places: Sequence[tuple[str, int]], since: datetime | None) -> Mapping[tuple[str, int], int]:
        if since is None or not places:
            return {}
        at = int(since.timestamp() * 1000)
        asked = [TopicPartition(topic, partition, at) for topic, partition in places]
        with _translated():
            found = ask_again(lambda left: self._consumer.offsets_for_times(asked, timeout=left), SECONDS)
        return {(p.topic, p.partition): p.offset for p in found}

    def _watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        with _translated(topic):
            return watermarks(self._consumer, TopicPartition(topic, partition), SECONDS)

    def _up_to(self, ranges: Mapping[tuple[str, int], tuple[int, int]]) -> Iterator[StoredRecord]:
        ends = {place: high for place, (_, high) in ranges.items()}
        self._consumer.assign([TopicPartition(*place, low) for place, (low, _) in ranges.items()])
        news = time.monotonic()
        while ends:
            if time.monotonic() - news > SECONDS:
                raise Outage(f"Kafka: nothing came of {min(ends)[0]} within {SECONDS:g} s")
            messages = self._consumer.consume(BATCH, timeout=0.2)
            for message in messages:
                place = (message.topic() or "", message.partition() or 0)
                if is_unreadable(message):
                    yield from self._passed_over(message, ranges, ends)
                    continue
                if _is_end(message):
                    ends.pop(place, None)
                    continue
                offset, end = message.offset() or 0, ends.get(place, 0)
                if offset < end:
                    yield _stored(message)
                if offset >= end - 1:
                    ends.pop(place, None)
            # looked at here, for whoever takes the records may take long for each
            news = time.monotonic() if messages else news
        self._consumer.unassign()

    def _passed_over(
        self,
        message: "Message[Any, Any]",
        ranges: Mapping[tuple[str, int], tuple[int, int]],
        ends: dict[tuple[str, int], int],
    ) -> Iterator[StoredRecord]:
        """A placeholder record for a batch that cannot be opened; reading continues after it."""
        place = message.topic() or "", message.partition() or 0
        if place not in ends or (batch := self._unreadable.detect(message)) is None:
            return
        if batch.last >= ends[place] - 1:
            del ends[place]
        else:
            self._consumer.seek(batch.behind)
        offset = max(batch.first, ranges[place][0])
        yield StoredRecord(Origin(*place, offset), _EPOCH, None, None, {UNREADABLE: "true"}, batch.reason)


def _is_end(message: "Message[Any, Any]") -> bool:
    """Whether a partition has ended; raises Outage or Fatal for an error that does not pass by itself."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.fatal() or not error.retriable():
        raise translate(error, message.topic() or "")
    return False


def _stored(message: "Message[Any, Any]") -> StoredRecord:
    place = Origin(message.topic() or "", message.partition() or 0, message.offset() or 0)
    _, milliseconds = message.timestamp()
    at = datetime.fromtimestamp(min(max(0, milliseconds) / 1000, LATEST.timestamp()), UTC)
    return StoredRecord(place, at, message.key(), message.value(), headers_of(message))


@contextmanager
def _translated(topic: str = "") -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise translate(error, topic) from error
