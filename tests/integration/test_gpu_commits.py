"""Transactions that fail in every way they can, on a real broker: the result is there once, whatever happens."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from gpu_consumers.kafka.transactional_producer import Aborted, Indefinite, OffsetGroup, TransactionalProducer
from schemas.errors import Fatal, Outage
from schemas.settings.kafka import KafkaSettings
from schemas.topics import may_take_results
from schemas.wire.headers import RESULTS_TO
from schemas.wire.records import Record, record_of
from tests.conftest import TopicFactory, create
from tests.integration.gpu import (
    SERDE,
    GpuGroup,
    GroupMember,
    create_topics,
    duplicates,
    headers,
    job,
    member,
    read_topic,
)


@pytest.fixture
def group(kafka: str, topic_admin: AdminClient) -> Iterator[GpuGroup]:
    """Fresh topics for one group."""
    made, names = create_topics(kafka)
    yield made
    for deletion in topic_admin.delete_topics(names).values():
        deletion.result()


@pytest.fixture
def producer(kafka: str, fresh_topic: TopicFactory) -> Iterator[TransactionalProducer]:
    """A producer with an id of its own."""
    made = TransactionalProducer(KafkaSettings(kafka_bootstrap=kafka), f"id.{fresh_topic(partitions=1)}")
    made.open()
    yield made
    made.close()


class Unlucky(TransactionalProducer):
    """Meets a fault at its second transaction that has records, and at the fourth."""

    written = 0

    def commit(self, records: Sequence[Record], groups: Sequence[OffsetGroup]) -> None:
        self.written += 1 if records else 0
        if records and self.written in (2, 4):
            return self.fault(records, groups)
        return super().commit(records, groups)

    def fault(self, records: Sequence[Record], groups: Sequence[OffsetGroup]) -> None:
        raise NotImplementedError


class LosesTheAnswer(Unlucky):
    """The transaction is committed, but nobody says so."""

    def fault(self, records: Sequence[Record], groups: Sequence[OffsetGroup]) -> None:
        super(Unlucky, self).commit(records, groups)
        self.close()
        raise Indefinite("the answer was lost")


class LosesTheTransaction(Unlucky):
    """The connection breaks in an open transaction."""

    def fault(self, records: Sequence[Record], groups: Sequence[OffsetGroup]) -> None:
        assert self._producer is not None
        self._producer.begin_transaction()
        for record in records:
            self._producer.produce(record.topic, record.value, record.key)
        self._producer.flush(5)
        self.close()
        raise Indefinite("the connection was lost")


class IsAborted(Unlucky):
    """The coordinator refuses."""

    def fault(self, records: Sequence[Record], groups: Sequence[OffsetGroup]) -> None:
        raise Aborted("the generation is old")


class CannotOpen(TransactionalProducer):
    """The broker is away for the first tries."""

    tries = 0

    def open(self) -> None:
        self.tries += 1
        if self.tries < 3:
            raise Outage("Kafka is away")
        super().open()


class MayNotWriteElsewhere(TransactionalProducer):
    """The broker lets it write the topics of the service only."""

    def commit(self, records: Sequence[Record], groups: Sequence[OffsetGroup]) -> None:
        if any(may_take_results(record.topic) for record in records):
            raise Fatal("Kafka refuses access")
        super().commit(records, groups)


def test_a_result_topic_that_may_not_be_written_ends_its_job_and_no_process(
    group: GpuGroup, topic_admin: AdminClient
) -> None:
    trial = f"scribe.results.{group.name.replace('.', '-')}"
    create(topic_admin, NewTopic(trial, 1, 1))
    others, astray = [job(fake_seconds="0.5") for _ in range(3)], job(fake_seconds="0.5")
    record = record_of(SERDE, group.jobs, astray, "test", datetime.now(UTC))
    group.publish_records(replace(record, headers={**record.headers, RESULTS_TO: trial}))
    group.publish(*others)
    producer = MayNotWriteElsewhere(group.settings, f"id.{group.name}")
    with member(group, producer=producer) as running:
        results = group.await_results(3)
        assert group.await_no_lag() == 0
        assert running.alive
    topic_admin.delete_topics([trial])[trial].result()
    assert {result.job_id for result in results} == {each.job_id for each in others}
    (letter,) = group.read(group.dlq)
    assert trial in headers(letter)["scribe-error-message"]


@pytest.mark.parametrize("kind", [LosesTheAnswer, LosesTheTransaction, IsAborted, CannotOpen])
def test_each_result_is_there_once(
    group: GpuGroup, kind: Callable[[KafkaSettings, str], TransactionalProducer]
) -> None:
    """No GPU work is repeated either: a result waits in memory until it is known to be written."""
    producer = kind(group.settings, f"id.{group.name}")
    started = GroupMember(group, "worker", producer=producer).start()
    for _ in range(5):
        # one transaction each
        before = len(group.job_results())
        group.publish(job(), job(fake_seconds="0.05"), job(fake_seconds="0.05"))
        group.await_results(before + 3)
    results = group.job_results()
    assert len(results) == 15
    assert not duplicates(results)
    assert group.await_no_lag() == 0
    assert started.stage.runs == 15
    assert started.stop() == 0


def test_a_result_that_its_topic_refuses_ends_as_a_failure(group: GpuGroup, fresh_topic: TopicFactory) -> None:
    """The broker's own limit is smaller than ours: the job fails, those in the same transaction do not."""
    small = replace(group, results=fresh_topic(partitions=1, config={"max.message.bytes": "1500"}))
    heavy, light = job(fake_outcome="noise"), [job() for _ in range(10)]
    small.publish(*light[:5], heavy, *light[5:])
    started = GroupMember(small, "worker", workers=11).start()
    errors = {result.job_id: result.error.code if result.error else None for result in small.await_results(11)}
    assert started.stop() == 0
    assert errors == {heavy.job_id: "result_too_large", **{request.job_id: None for request in light}}


def test_an_aborted_transaction_names_what_was_too_large_and_leaves_nothing(
    producer: TransactionalProducer, kafka: str, fresh_topic: TopicFactory
) -> None:
    topic = fresh_topic(partitions=1, config={"max.message.bytes": "1000"})
    with pytest.raises(Aborted) as aborted:
        producer.commit([Record(topic, b"a", b"1"), Record(topic, b"b", random.Random(1).randbytes(4096))], [])
    assert 1 in aborted.value.too_large
    assert not read_topic(kafka, topic)


def test_a_record_that_the_client_library_refuses_aborts_too(
    producer: TransactionalProducer, kafka: str, fresh_topic: TopicFactory
) -> None:
    """It is named like one that the broker refuses, and the producer goes on."""
    topic = fresh_topic(partitions=1)
    with pytest.raises(Aborted) as aborted:
        producer.commit([Record(topic, b"a", b"1"), Record(topic, b"b", b"x" * 2_000_000)], [])
    assert aborted.value.too_large == (1,)
    producer.commit([Record(topic, b"c", b"3")], [])
    assert [message.value() for message in read_topic(kafka, topic)] == [b"3"]


def test_a_second_holder_of_the_id_ends_the_first(producer: TransactionalProducer, fresh_topic: TopicFactory) -> None:
    """The first one must not take the id back: two processes would fence each other for ever."""
    topic = fresh_topic()
    second = TransactionalProducer(KafkaSettings(kafka_bootstrap=_bootstrap(producer)), producer._id)
    second.open()
    with pytest.raises(Fatal, match="SCRIBE_WORKER_ID"):
        producer.commit([Record(topic, b"a", b"1")], [])
    second.commit([Record(topic, b"a", b"2")], [])
    second.close()
    assert [message.value() for message in read_topic(_bootstrap(producer), topic)] == [b"2"]


def test_opening_without_a_broker_is_an_outage() -> None:
    producer = TransactionalProducer(KafkaSettings(kafka_bootstrap="127.0.0.1:1"), "id")
    with pytest.raises(Outage):
        producer.open()
    with pytest.raises(Indefinite, match="not open"):
        producer.commit([], [])
    producer.close()


def test_a_topic_made_anew_is_read_from_its_beginning(group: GpuGroup, topic_admin: AdminClient) -> None:
    """Offsets of the deleted topic hide none of the new one's records."""
    group.publish(*(job() for _ in range(40)))
    first = GroupMember(group, "worker").start()
    group.await_results(40)
    assert group.await_no_lag() == 0
    first.stop()
    topic_admin.delete_topics([group.jobs])[group.jobs].result()
    topic_admin.create_topics([NewTopic(group.jobs, 4, 1)])[group.jobs].result()
    group.publish(*(job() for _ in range(8)))
    second = GroupMember(group, "worker").start()
    assert len(group.await_results(48)) == 48
    second.stop()


def _bootstrap(producer: TransactionalProducer) -> str:
    return str(producer._config["bootstrap.servers"])
