"""One suite for every RecordPublisher: what was published is there, in order, as it was given."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import cast

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from producers.kafka.moved_leaders import watermarks
from producers.kafka.publisher import Publisher
from schemas.errors import Permanent
from schemas.ports import RecordPublisher, Refused
from schemas.settings.kafka import KafkaSettings
from schemas.wire.records import Record
from sink.memory import MemoryPublisher
from tests.integration.faust_process import until


@dataclass(frozen=True)
class Subject:
    """A publisher, a topic with one partition, and what a reader finds there."""

    publisher: RecordPublisher
    topic: str
    read: Callable[[], Sequence[Record]]

    def record(self, value: bytes | None = b"value", key: bytes | None = b"key", **headers: str) -> Record:
        return Record(self.topic, key, value, headers)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if request.param == "memory":
        memory = MemoryPublisher()
        yield Subject(memory, "topic", lambda: memory.records)
        return
    bootstrap: str = request.getfixturevalue("kafka")
    topic: str = request.getfixturevalue("fresh_topic")(partitions=1)
    with Publisher(KafkaSettings(kafka_bootstrap=bootstrap)) as publisher:
        yield Subject(publisher, topic, lambda: read(bootstrap, topic))


def read(bootstrap: str, topic: str) -> list[Record]:
    """All records of the only partition; returns once its end is reached."""
    config = {"bootstrap.servers": bootstrap, "group.id": f"reader-{uuid.uuid4().hex}", "enable.auto.commit": False}
    with closing(Consumer(config)) as consumer:
        # a broker may hear of a new topic a moment after it was made
        until("the topic is known", lambda: bool(consumer.list_topics(topic, timeout=90).topics[topic].partitions))
        _, end = watermarks(consumer, TopicPartition(topic, 0), 20)
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        messages = consumer.consume(end, timeout=20) if end else []
        assert len(messages) == end
        return [
            Record(
                message.topic() or "",
                message.key(),
                message.value(),
                headers_of(message),
            )
            for message in messages
        ]


def headers_of(message: Message) -> dict[str, str]:
    pairs = cast("list[tuple[str, bytes]]", message.headers() or [])
    return {name: value.decode() for name, value in pairs}


def test_a_record_arrives_as_it_was_given(subject: Subject) -> None:
    record = subject.record(b"\x00\x00\x00\x00\x07avro", ce_type="scribe.job.requested", note="שלום")
    subject.publisher.publish(record)
    assert subject.read() == [record]


def test_key_value_and_headers_may_be_missing(subject: Subject) -> None:
    records = [subject.record(value=None), subject.record(key=None), subject.record(b"")]
    subject.publisher.publish(*records)
    assert subject.read() == records


def test_records_of_a_partition_keep_their_order(subject: Subject) -> None:
    records = [subject.record(str(number).encode()) for number in range(500)]
    subject.publisher.publish(*records[:250])
    subject.publisher.publish(*records[250:])
    assert subject.read() == records


def test_publishing_nothing_does_nothing(subject: Subject) -> None:
    subject.publisher.publish()
    assert subject.read() == []


def test_a_record_too_large_is_refused_and_the_next_one_is_taken(subject: Subject) -> None:
    with pytest.raises(Permanent) as caught:
        subject.publisher.publish(subject.record(bytes(1_100_000)))
    assert caught.value.code == "result_too_large"
    subject.publisher.publish(subject.record())
    assert subject.read() == [subject.record()]


def test_many_threads_may_publish(subject: Subject) -> None:
    records = [subject.record(str(number).encode()) for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(subject.publisher.publish, records))
    assert sorted(record.value or b"" for record in subject.read()) == sorted(record.value or b"" for record in records)


def test_of_several_records_only_those_too_large_are_refused_and_named(subject: Subject) -> None:
    large = b"".join(uuid.uuid4().bytes for _ in range(70_000))
    with pytest.raises(Refused) as caught:
        subject.publisher.publish(*(subject.record(value) for value in (b"0", large, b"1", large, b"2")))
    assert caught.value.places == (1, 3)
    assert [record.value for record in subject.read()] == [b"0", b"1", b"2"]
