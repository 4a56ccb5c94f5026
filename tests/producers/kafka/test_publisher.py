"""The publisher: errors in our words without a broker, deliveries with one."""

import logging
import random
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException

from producers.kafka.publisher import (
    MAX_MESSAGE_BYTES,
    Publisher,
    Seldom,
    fits,
    producer_config,
    record_bytes,
    translate,
)
from schemas.errors import Fatal, Outage, Permanent, ScribeError
from schemas.settings.kafka import KafkaSettings
from schemas.wire.records import Record
from tests.conftest import TopicFactory
from tests.integration.gpu import headers, read_topic


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, Permanent),
        (KafkaError.RECORD_LIST_TOO_LARGE, Permanent),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Fatal),
        (KafkaError.SASL_AUTHENTICATION_FAILED, Fatal),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Outage),
        (KafkaError._MSG_TIMED_OUT, Outage),
        (KafkaError._ALL_BROKERS_DOWN, Outage),
        (KafkaError._TRANSPORT, Outage),
    ],
)
def test_errors_of_the_client_become_ours(code: int, expected: type[ScribeError]) -> None:
    assert type(translate(KafkaError(code))) is expected
    assert type(translate(KafkaException(KafkaError(code)), "topic")) is expected


def test_a_missing_topic_says_what_to_do() -> None:
    assert "scribe topics apply" in str(translate(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), "scribe.jobs"))


def test_options_tune_but_cannot_weaken_the_promises() -> None:
    options = {"linger.ms": "7", "acks": "1", "partitioner": "random", "enable.idempotence": "false"}
    config = producer_config(KafkaSettings(kafka_options=options), "test")
    assert config["linger.ms"] == "7"
    assert (config["acks"], config["partitioner"], config["enable.idempotence"]) == ("all", "murmur2_random", True)


def test_the_size_of_a_record_counts_its_headers() -> None:
    assert record_bytes(Record("t", b"12", b"345", {"name": "value"})) > 2 + 3 + 4 + 5
    assert not fits([Record("t", None, b"x", {"name": "y" * MAX_MESSAGE_BYTES})])


@pytest.fixture
def publisher(kafka: str) -> Iterator[Publisher]:
    with Publisher(KafkaSettings(kafka_bootstrap=kafka), "test", timeout=60) as made:
        yield made


def test_published_records_are_there_when_the_call_returns(
    publisher: Publisher, kafka: str, fresh_topic: TopicFactory
) -> None:
    topic = fresh_topic(partitions=1)
    publisher.publish(*(Record(topic, b"k", b"%d" % number, {"é": "ü"}) for number in range(3)))
    found = read_topic(kafka, topic)
    assert [(m.key(), m.value()) for m in found] == [(b"k", b"0"), (b"k", b"1"), (b"k", b"2")]
    assert headers(found[0]) == {"é": "ü"}


def test_publishing_nothing_is_nothing(publisher: Publisher) -> None:
    publisher.publish()


def test_a_record_beyond_the_client_limit_is_permanent(publisher: Publisher, fresh_topic: TopicFactory) -> None:
    with pytest.raises(Permanent, match="larger than"):
        publisher.publish(Record(fresh_topic(), b"k", b"x" * (MAX_MESSAGE_BYTES + 1)))


def test_a_record_beyond_the_topic_limit_is_permanent_and_the_next_one_goes(
    publisher: Publisher, fresh_topic: TopicFactory
) -> None:
    topic = fresh_topic(config={"max.message.bytes": "1000"})
    with pytest.raises(Permanent, match="larger than"):
        publisher.publish(Record(topic, b"k", random.Random(1).randbytes(4096)))
    publisher.publish(Record(topic, b"k", b"small"))


def test_a_topic_that_is_not_there_is_an_outage(kafka: str) -> None:
    # what the broker says is believed at once
    impatient = KafkaSettings(kafka_bootstrap=kafka, kafka_options={"topic.metadata.propagation.max.ms": "1"})
    with Publisher(impatient, "test", timeout=60) as publisher, pytest.raises(Outage, match=r"test\.no\.such\.topic"):
        publisher.publish(Record("test.no.such.topic", b"k", b"v"))


def test_an_offer_is_sent_with_the_close(kafka: str, fresh_topic: TopicFactory) -> None:
    topic = fresh_topic()
    publisher = Publisher(KafkaSettings(kafka_bootstrap=kafka), "test")
    assert publisher.offer(Record(topic, b"k", b"v"))
    publisher.close(timeout=60)
    assert len(read_topic(kafka, topic)) == 1


def test_an_offer_too_large_is_dropped_without_an_error(publisher: Publisher, fresh_topic: TopicFactory) -> None:
    assert not publisher.offer(Record(fresh_topic(), b"k", b"x" * (MAX_MESSAGE_BYTES + 1)))


def test_without_a_broker_publishing_is_an_outage_and_offers_cost_nothing() -> None:
    publisher = Publisher(KafkaSettings(kafka_bootstrap="127.0.0.1:1"), "test", timeout=0.5)
    assert publisher.offer(Record("topic", b"k", b"v"))
    with pytest.raises(Outage):
        publisher.publish(Record("topic", b"k", b"v"))
    publisher.close(timeout=0.1)


def test_the_same_line_of_the_library_is_written_seldom() -> None:
    """Lines that differ only in their numbers are the same."""
    seldom, times = (
        Seldom(seconds=30),
        {0: "refused (after 1ms)", 10: "refused (after 22ms)", 20: "up", 31: "refused (after 0ms)"},
    )
    passed = []
    for at, text in times.items():
        record = logging.LogRecord("librdkafka", logging.ERROR, "", 0, text, (), None)
        record.created = float(at)
        passed.append(seldom.filter(record))
    assert passed == [True, False, True, True]
