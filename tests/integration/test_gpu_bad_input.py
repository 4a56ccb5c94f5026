"""What strangers and operators do to the topics and offsets of a running GPU group."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from gpu_consumers.core.delivery.offsets import encode
from producers.kafka.moved_leaders import committed
from schemas.events import JobRequested, Outcome
from schemas.wire.headers import NOT_BEFORE, RESULTS_TO
from schemas.wire.offset_metadata import MAX_METADATA, PREFIX
from schemas.wire.records import Record, record_of
from tests.conftest import create
from tests.foreign import raw
from tests.integration.faust_process import until
from tests.integration.gpu import SERDE, GpuGroup, create_topics, duplicates, headers, job, member

NOT_OURS = (
    '{"owner":"another program","position":17}',
    "sr2:" + encode(0, range(10)).removeprefix(PREFIX),
    PREFIX + encode(0, range(10))[-7:],
    "é" * MAX_METADATA,
)


@pytest.fixture
def group(kafka: str, topic_admin: AdminClient) -> Iterator[GpuGroup]:
    made, names = create_topics(kafka)
    yield made
    for deletion in topic_admin.delete_topics(names).values():
        deletion.result()


def publish_into(group: GpuGroup, *placed: tuple[int, JobRequested]) -> None:
    """Write jobs into partitions of choice."""
    producer = Producer({"bootstrap.servers": group.bootstrap})
    for partition, request in placed:
        record = record_of(SERDE, group.jobs, request, "test", datetime.now(UTC))
        producer.produce(record.topic, record.value, record.key, partition, headers=dict(record.headers))
    assert producer.flush(30) == 0


def offsets_of(group: GpuGroup) -> Consumer:
    """Of an operator who reads and writes a group's offsets while nobody is in it."""
    return Consumer({"bootstrap.servers": group.bootstrap, "group.id": group.name, "enable.auto.commit": False})


def test_partitions_that_come_later_are_read_from_their_beginning(group: GpuGroup, topic_admin: AdminClient) -> None:
    """The group is told of them before its members are, which ends none."""
    with member(group, "first") as first, member(group, "second") as second:
        publish_into(group, *((number, job()) for number in range(4)))
        assert len(group.await_results(4)) == 4
        topic_admin.create_partitions([NewPartitions(group.jobs, 12)])[group.jobs].result()
        publish_into(group, *((number, job(fake_seconds="0.02")) for number in range(12)))
        assert len(group.await_results(16)) == 16
        assert group.await_no_lag() == 0
        assert first.alive
        assert second.alive
    assert not duplicates(group.job_results())


def test_a_topic_made_anew_under_a_running_member_is_read_from_its_beginning(
    group: GpuGroup, topic_admin: AdminClient
) -> None:
    """Though its offsets are still those of the old one, and lie within the new one."""
    publish_into(group, *((number, job()) for number in (0, 0, 1, 2, 3, 3)))
    with member(group) as running:
        assert len(group.await_results(6)) == 6
        assert group.await_no_lag() == 0
        topic_admin.delete_topics([group.jobs])[group.jobs].result()
        time.sleep(1.0)  # in which the member sees that it is gone
        topic_admin.create_topics([NewTopic(group.jobs, 4, 1)])[group.jobs].result()
        publish_into(group, *((number % 4, job()) for number in range(24)))
        assert len(group.await_results(30)) == 30
        assert group.await_no_lag() == 0
        assert running.alive


def test_metadata_that_is_not_ours_hides_nothing_and_is_replaced(group: GpuGroup) -> None:
    """Another program's, a later version's, a cut one, and one as long as a broker takes."""
    publish_into(group, *((number, job()) for number in range(4) for _ in range(10)))
    operator = offsets_of(group)
    strange = [TopicPartition(group.jobs, number, 2, metadata) for number, metadata in enumerate(NOT_OURS)]
    operator.commit(offsets=strange, asynchronous=False)
    with member(group):
        results = group.await_results(32)
        assert group.await_no_lag() == 0
    assert len(results) == 32
    assert not duplicates(results)
    found = committed(operator, [TopicPartition(group.jobs, number) for number in range(4)], 30)
    assert not {each.metadata for each in found} & set(NOT_OURS)
    operator.close()


def test_the_first_content_of_a_job_counts_and_another_tenants_is_another_job(group: GpuGroup) -> None:
    """What is sent later under the same id neither changes what is at work nor what has ended."""
    slow, quick = job(fake_seconds="0.5"), job()
    other = partial(replace, metadata={"fake-outcome": "permanent"})
    theirs = partial(replace, tenant="globex", metadata={"fake-outcome": "permanent"})
    placed = partial(publish_into, group)
    with member(group) as running:
        placed((0, slow))
        until("the first is at work", lambda: running.stage.runs == 1)
        placed((0, other(slow)), (1, quick), (2, theirs(slow)))
        assert len(group.await_results(3)) == 3
        placed((0, other(slow)), (3, other(quick)), (3, theirs(quick)))
        assert len(group.await_results(4)) == 4
        assert group.await_no_lag() == 0
        assert running.stage.runs == 4
    ends = Counter((result.job_id, result.tenant, result.outcome) for result in group.job_results())
    good, bad = ("acme", Outcome.COMPLETED), ("globex", Outcome.FAILED)
    assert ends == Counter([(each.job_id, *end) for each in (slow, quick) for end in (good, bad)])


def test_two_processes_that_each_get_one_of_two_contents_tell_the_same_event(group: GpuGroup) -> None:
    """Neither knows of the other's, so both are visible; whoever reads them takes the first for both."""
    first = job(fake_seconds="0.3")
    with member(group, "first"), member(group, "second"):
        publish_into(group, *((number, replace(first, metadata={"n": str(number)})) for number in range(4)))
        assert group.await_no_lag() == 0
    results = group.job_results()
    assert 1 <= len(results) <= 2
    assert len({result.event_id for result in results}) == 1


def test_two_requests_under_one_id_have_a_result_each(group: GpuGroup) -> None:
    """Which of them the job is, the database decides: the one that was accepted must not go without."""
    first = job(fake_seconds="0.2")
    other = replace(first, options=replace(first.options, language="he"))
    with member(group):
        publish_into(group, (0, first), (1, other), (2, first), (3, other))
        assert len(group.await_results(2)) == 2
        assert group.await_no_lag() == 0
    results = group.job_results()
    assert {result.request.options.language for result in results} == {first.options.language, "he"}
    assert (len(results), len({result.event_id for result in results})) == (2, 1)


def test_a_wrong_value_is_a_failed_result_that_names_its_field(group: GpuGroup) -> None:
    """Beside good jobs, which nothing holds up; only the record that does not say whose it is, is set aside."""
    wrong = {"priority": "URGENT", "expires_at": 2**63 - 1, "run": 2**31, "options.task": "shout"}
    asked = {field: job() for field in wrong}
    values = [raw(request, {field: wrong[field]}) for field, request in asked.items()]
    good = [job() for _ in range(4)]
    with member(group) as running:
        group.publish_records(*(Record(group.jobs, None, value) for value in (*values, raw(job(), {"job_id": "zzz"}))))
        group.publish(*good)
        results = {result.job_id: result for result in group.await_results(8)}
        assert group.await_no_lag() == 0
        assert running.alive
    failed = {field: results[request.job_id] for field, request in asked.items()}
    assert all(result.error and result.error.code == "invalid_request" for result in failed.values())
    assert all(result.error and field in result.error.message for field, result in failed.items())
    assert all(results[request.job_id].outcome is Outcome.COMPLETED for request in good)
    (letter,) = group.read(group.dlq)
    assert headers(letter)["scribe-error-code"] == "invalid_request"


def test_records_from_the_future_rest_no_longer_than_their_topic_says(group: GpuGroup) -> None:
    """Nor do those behind them, whatever the header holds."""
    now = datetime.now(UTC)
    made = [record_of(SERDE, group.retry("1m"), job(), "test", now) for _ in range(5)]
    dues = ("4102444800000", "9" * 19, "-1", "tomorrow")
    strange = [replace(r, headers={**r.headers, NOT_BEFORE: due}) for r, due in zip(made, dues, strict=False)]
    group.publish_records(*strange, made[-1])
    with member(group):
        results = group.await_results(5)
    assert [result.outcome for result in results] == [Outcome.COMPLETED] * 5


def test_a_result_topic_that_goes_away_stops_no_other_results(group: GpuGroup, topic_admin: AdminClient) -> None:
    """What was to go there is a dead letter; all that would have shared its transaction is written."""
    trial = f"scribe.results.{group.name.replace('.', '-')}"
    create(topic_admin, NewTopic(trial, 1, 1))
    astray, others = job(fake_seconds="3"), [job(fake_seconds="3") for _ in range(2)]
    record = record_of(SERDE, group.jobs, astray, "test", datetime.now(UTC))
    with member(group) as running:
        group.publish_records(replace(record, headers={**record.headers, RESULTS_TO: trial}))
        group.publish(*others)
        until("all are at work", lambda: running.stage.runs == 3)
        topic_admin.delete_topics([trial])[trial].result()
        results = group.await_results(2)
        assert group.await_no_lag() == 0
        assert running.stage.runs == 3
        assert running.alive
    assert {result.job_id for result in results} == {each.job_id for each in others}
    (letter,) = group.read(group.dlq)
    assert trial in headers(letter)["scribe-error-message"]
