"""What Kafka tells of a job: its records are searched from a time on, and what lies before them is counted in any case."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from producers.waiting.facts import KafkaFacts
from producers.waiting.kafka_records import read_kafka
from schemas.settings.kafka import KafkaSettings
from schemas.wire.offset_metadata import bitmap_of, joined
from schemas.wire.serde import Serde
from tests.conftest import TopicFactory

NOW = datetime.now(UTC)
OLD, LATE = NOW - timedelta(hours=5), NOW - timedelta(hours=1)
OTHER = UUID(int=1)


def publish(kafka: str, topic: str, *records: tuple[UUID, datetime]) -> None:
    """Records of jobs in one partition; nobody can read their values."""
    producer = Producer({"bootstrap.servers": kafka})
    for key, at in records:
        producer.produce(topic, b"x", str(key).encode(), timestamp=int(at.timestamp() * 1000))
    assert producer.flush(30) == 0


def commit(kafka: str, group: str, topic: str, base: int, done: set[int]) -> None:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group, "enable.auto.commit": False})
    position = TopicPartition(topic, 0, base, joined(bitmap_of(base, done), "", ""))
    consumer.commit(offsets=[position], asynchronous=False)
    consumer.close()


@pytest.mark.parametrize(
    ("since", "found"),
    [(None, [(6, 3)]), (LATE, [(6, 3)]), (NOW + timedelta(hours=1), [])],
    ids=["all are searched", "late ones are searched", "none is searched"],
)
def test_what_lies_before_a_record_is_counted_whenever_it_was_written(
    kafka: str, fresh_topic: TopicFactory, since: datetime | None, found: list[tuple[int, int]]
) -> None:
    # given: a group that has done two of five old records (0 and 3), and one of three late ones (5)
    topic, group, job = fresh_topic(1), f"test.{uuid4().hex[:8]}", uuid4()
    publish(kafka, topic, *[(OTHER, OLD)] * 5, (OTHER, NOW), (job, NOW), (OTHER, NOW))
    commit(kafka, group, topic, 1, {3, 5})
    # when
    settings = KafkaSettings(kafka_bootstrap=kafka)
    facts: KafkaFacts = read_kafka(settings, Serde(), job, since, topics={group: (topic,)}, dlqs={})
    # then
    assert [(record.place.offset, record.before) for record in facts.pending] == found
    assert facts.groups[group].lag == 5
