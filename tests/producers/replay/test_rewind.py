"""Offsets that go back to a time: which partitions are read again, from where, and while nobody reads."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer

from producers.kafka.group_offsets import GroupOffsets
from producers.kafka.topic_history import TopicHistory
from producers.replay import rewind
from producers.replay.rewind import Rewound, rewinds, wait_for_end
from schemas.errors import Rejected
from schemas.settings.kafka import KafkaSettings
from tests.conftest import TopicFactory

MINUTE = 60_000
NOON = 1_780_000_000_000  # milliseconds
SINCE = datetime.fromtimestamp(NOON / 1000, UTC)


@pytest.fixture
def group() -> str:
    return f"test.rewind.{uuid4().hex[:8]}"


@pytest.fixture
def offsets(kafka: str, group: str) -> Iterator[GroupOffsets]:
    with GroupOffsets.open(KafkaSettings(kafka_bootstrap=kafka), group) as opened:
        yield opened


@pytest.fixture
def history(kafka: str) -> Iterator[TopicHistory]:
    with TopicHistory.open(KafkaSettings(kafka_bootstrap=kafka)) as opened:
        yield opened


def write(kafka: str, topic: str, partition: int, *minutes: int) -> None:
    """A record at each of these minutes from noon on."""
    producer = Producer({"bootstrap.servers": kafka})
    for minute in minutes:
        producer.produce(topic, b"x", partition=partition, timestamp=NOON + minute * MINUTE)
    assert producer.flush(30) == 0


def test_offsets_go_back_to_the_first_record_of_the_time_and_never_forward(
    kafka: str, fresh_topic: TopicFactory, group: str, offsets: GroupOffsets, history: TopicHistory
) -> None:
    # given: a partition for each case
    topic = fresh_topic(5)
    write(kafka, topic, 0, -2, -1, 0, 1)  # read to its end
    write(kafka, topic, 1, -2, -1)  # nothing came since
    write(kafka, topic, 2, 1, 2)  # never read
    write(kafka, topic, 3, -2, 1, 2)  # read up to before the time
    for partition, offset in ((0, 4), (1, 2), (3, 1)):
        offsets.commit(topic, partition, offset, "")
    # when
    found = list(rewinds(offsets, history, group, [topic], SINCE))
    # then
    assert found == [Rewound(group, topic, 0, committed=4, offset=2)]
    rewind.rewind(offsets, found[0])
    assert offsets.position(topic, 0).committed == 2
    assert list(rewinds(offsets, history, group, [topic], SINCE)) == []


def test_a_process_that_does_not_end_is_named(
    kafka: str, fresh_topic: TopicFactory, group: str, offsets: GroupOffsets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewind, "LEAVING_SECONDS", 1.0)
    topic, said = fresh_topic(1), list[str]()
    with closing(Consumer({"bootstrap.servers": kafka, "group.id": group, "client.id": "persist-0"})) as member:
        member.subscribe([topic])
        while not member.assignment():
            member.poll(0.1)
        with pytest.raises(Rejected, match="still running: persist-0 at"):
            wait_for_end(offsets, group, said.append)
    assert len(said) == 1
    wait_for_end(offsets, group, said.append)
