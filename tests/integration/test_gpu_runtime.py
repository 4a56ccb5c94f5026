"""The GPU runtime on a real broker, with the fake stage."""

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from gpu_consumers.kafka.transactional_producer import TransactionalProducer
from gpu_consumers.service import FAILED, transactional_id
from producers.kafka.publisher import headers_of
from schemas.events import JobProgress, JobRequested, Outcome, Priority, event_id
from schemas.retries.schedules import TopicLadder
from schemas.wire.headers import ERROR_CODE, new_traceparent, trace_id
from schemas.wire.records import Record, record_of
from tests.conftest import TopicFactory
from tests.integration.broken_headers import produce_with_broken_header
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
    spawn,
)
from tests.integration.waiting import wait_for

JOBS = 40  # of 1.5 s, two at a time: more than any delay of a busy machine


@pytest.fixture
def group(kafka: str, topic_admin: AdminClient) -> Iterator[GpuGroup]:
    """Fresh topics for one group."""
    made, names = create_topics(kafka)
    yield made
    for deletion in topic_admin.delete_topics(names).values():
        deletion.result()


def test_every_job_has_one_visible_result_and_no_lag_remains(group: GpuGroup) -> None:
    """200 jobs in, 200 results out, and the group's offsets reach the end."""
    jobs = [job(fake_seconds="0.01") for _ in range(200)]
    group.publish(*jobs)
    with member(group):
        results = group.await_results(200)
        assert {result.job_id for result in results} == {each.job_id for each in jobs}
        assert not duplicates(results)
        assert group.await_no_lag() == 0


def test_a_second_member_joins_and_leaves_without_loss_or_duplicate(group: GpuGroup) -> None:
    """Two rebalances while 300 jobs run."""
    jobs = [job(fake_seconds="0.05") for _ in range(300)]
    group.publish(*jobs)
    with member(group, "first"):
        group.await_results(20)
        with member(group, "second"):
            group.await_results(150)
        results = group.await_results(300)
        assert group.await_no_lag() == 0
    assert len(results) == 300
    assert not duplicates(group.job_results())


def test_kill_and_restart_lose_nothing_and_repeat_nothing_visible(group: GpuGroup) -> None:
    """SIGKILL in the middle, twice, and a restart under the same id."""
    jobs = [job(fake_seconds=str(0.01 + 0.002 * (number % 40))) for number in range(300)]
    group.publish(*jobs)
    for enough in (40, 120):
        process = spawn(group, "worker")
        assert len(group.await_results(enough)) >= enough
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with member(group):
        results = group.await_results(300, seconds=120)
        assert group.await_no_lag() == 0
    assert {result.job_id for result in results} == {each.job_id for each in jobs}
    assert not duplicates(group.job_results())


def test_every_kind_of_error_finds_its_end_and_the_next_job_goes_on(group: GpuGroup) -> None:
    """Undecodable, permanent, transient, exhausted, unexpected, too large, expired, outage, and good jobs among them."""
    poison = Record(group.jobs, b"key", b"\x00\x00\x00\x00\x99nonsense", {"x-upstream": "7"})
    group.publish_records(poison)
    good, permanent, outage = job(), job(fake_outcome="permanent"), job(fake_outcome="outage", fake_until="2")
    transient = job(fake_outcome="transient", fake_until="2")
    large, unexpected = job(fake_outcome="large"), job(fake_outcome="unexpected")
    expired = replace(job(), expires_at=datetime.now(UTC) - timedelta(seconds=1))
    ends = [(good, None), (permanent, "media_no_audio"), (outage, None), (transient, None)]
    ends += [(large, "result_too_large"), (expired, "expired")]
    group.publish(unexpected, *(request for request, _ in ends))
    with member(group):
        results = {result.job_id: result for result in group.await_results(len(ends))}
        assert group.await_no_lag() == 0
    found = {r.job_id: r.error.code if r.error else None for r in results.values()}
    assert found == {request.job_id: code for request, code in ends}
    failed = results[permanent.job_id]
    assert failed.outcome is Outcome.FAILED
    assert failed.event_id == event_id(permanent.job_id, "JobResult", 1)
    assert failed.request.source.uri == "https://example.org/a.wav"
    [dead] = group.read(group.dlq)
    assert (dead.key(), dead.value()) == (b"key", poison.value)
    assert headers(dead)["x-upstream"] == "7"
    assert headers(dead)[ERROR_CODE] == "undecodable"
    assert len(group.read(group.retry("1m"))) == 2


def test_a_job_that_was_published_twice_runs_once(group: GpuGroup) -> None:
    """Twins of a job in work, of one that ended, and of one that will be tried again; other runs are other jobs."""
    slow, quick = job(fake_seconds="0.5"), job()
    transient = job(fake_outcome="transient", fake_until="2")
    again = replace(quick, run=2)
    group.publish(slow, slow, quick, slow, again, transient, quick)
    started = GroupMember(group, "worker", workers=8).start()
    assert len(group.await_results(4)) == 4
    group.publish(slow, quick, transient)
    assert group.await_no_lag() == 0
    assert started.stop() == 0
    expected = {(slow.job_id, 1), (quick.job_id, 1), (quick.job_id, 2), (transient.job_id, 1)}
    assert {(result.job_id, result.run) for result in group.job_results()} == expected
    assert len(group.job_results()) == 4
    # the first attempt of the transient one, and then one that succeeds
    assert started.stage.runs == 5


def test_headers_that_cannot_be_read_are_none_every_time(kafka: str, fresh_topic: TopicFactory) -> None:
    """The interpreter changes how it makes a call after some of them: the error must not come out elsewhere."""
    topic = fresh_topic(partitions=1)
    produce_with_broken_header(kafka, topic, *[b"value"] * 100)
    messages = read_topic(kafka, topic)
    assert len(messages) == 100
    assert all(headers_of(message) == {} for message in messages)


def test_headers_of_strangers_stop_nobody(group: GpuGroup) -> None:
    """Names that are not UTF-8, and more bytes than any record of ours may have."""
    first, second = job(), job()
    produce_with_broken_header(group.bootstrap, group.jobs, SERDE.encode(first))
    strange: dict[str, str | bytes | None] = {f"x-{number}": b"a" * 1000 for number in range(2000)}
    options = {"bootstrap.servers": group.bootstrap, "message.max.bytes": 10_000_000, "compression.type": "gzip"}
    producer = Producer(options)
    producer.produce(group.jobs, b"nonsense", b"key", headers=strange)
    producer.produce(group.jobs, SERDE.encode(job(fake_outcome="transient", fake_until="2")), headers=strange)
    assert producer.flush(30) == 0
    group.publish(second)
    with member(group):
        results = group.await_results(3)
        assert group.await_no_lag() == 0
    assert len(results) == 3
    assert {first.job_id, second.job_id} <= {result.job_id for result in results}
    [dead] = group.read(group.dlq)
    assert dead.value() == b"nonsense"
    assert headers(dead)[ERROR_CODE] == "undecodable"


def test_an_exhausted_ladder_is_a_failed_result_and_a_dead_letter(group: GpuGroup) -> None:
    """The last attempt of a record that never succeeds."""
    request = job(fake_outcome="transient", fake_until="99")
    [original] = _records(group, request)
    last = replace(original, topic=group.retry("1h"), headers={**original.headers, "scribe-attempt": "4"})
    group.publish_records(last)
    with member(group):
        [result] = group.await_results(1)
    assert result.error is not None
    assert result.error.code == "retries_exhausted"
    [dead] = group.read(group.dlq)
    assert dead.value() == original.value


def test_a_flood_of_one_tenant_delays_nobody_else(group: GpuGroup) -> None:
    flood = [job(fake_seconds="0.05") for _ in range(40)]
    late, express = replace(job(), tenant="globex"), replace(job(), tenant="initech", priority=Priority.EXPRESS)
    group.publish(*flood, late, express)
    with member(group, workers=1):
        ends = sorted(group.await_results(42), key=lambda result: result.completed_at)
    order = [result.job_id for result in ends]
    assert max(order.index(late.job_id), order.index(express.job_id)) < 20


def test_a_retried_record_waits_for_its_time_and_others_do_not(group: GpuGroup) -> None:
    """One that is due later rests in its topic while new jobs are done, and its offset is not passed."""
    waiting, new = job(), job()
    [record] = _records(group, waiting)
    due = int((time.time() + 4) * 1000)
    # rests at most the delay of its topic: 6 s in this test
    group.publish_records(
        replace(record, topic=group.retry("10m"), headers={**record.headers, "scribe-not-before": str(due)})
    )
    with member(group):
        group.publish(new)
        # a busy machine may come to the new one so late that the other one is due, too
        assert {result.job_id for result in group.await_results(1)} == {new.job_id} or time.time() * 1000 >= due
    with member(group):
        ended = {result.job_id: result.completed_at.timestamp() * 1000 for result in group.await_results(2)}
    assert ended.keys() == {new.job_id, waiting.job_id}
    assert ended[waiting.job_id] >= due


def test_records_of_a_step_that_was_removed_are_read_to_their_end(group: GpuGroup) -> None:
    """One lies in its topic when the version that has the step no more starts; what fails then skips the step."""
    left, failing = job(), job(fake_outcome="transient", fake_until="3")
    [record] = _records(group, left)
    due = str(int((time.time() + 1) * 1000))
    headers_left = {**record.headers, "scribe-not-before": due, "scribe-attempt": "3"}
    group.publish_records(replace(record, topic=group.retry("10m"), headers=headers_left))
    with member(group, ladder=TopicLadder({"1m": 60, "1h": 100}, retired={"10m": 600})):
        assert {result.job_id for result in group.await_results(1)} == {left.job_id}
        group.publish(failing)
        assert {result.job_id for result in group.await_results(2)} == {left.job_id, failing.job_id}
    assert [len(group.read(group.retry(step))) for step in ("1m", "10m", "1h")] == [1, 1, 1]


def test_a_result_continues_the_trace_and_progress_is_told(group: GpuGroup) -> None:
    """The traceparent of the job goes on in its result; progress has the job's numbers."""
    parent, request = new_traceparent(), job(fake_seconds="0.1")
    group.publish(request, parent=parent)
    with member(group):
        assert len(group.await_results(1)) == 1
    [message] = group.read(group.results)
    assert trace_id(headers(message)["traceparent"]) == trace_id(parent)
    assert message.key() == str(request.job_id).encode()
    progress = [SERDE.decode(m.value(), JobProgress) for m in group.read(group.progress)]
    assert progress[0].job_id == request.job_id
    assert [event.sequence for event in progress] == list(range(1, len(progress) + 1))


def test_sigterm_finishes_running_jobs_and_exits_with_0(group: GpuGroup) -> None:
    """Jobs in work end with results, those that wait are left to the next member."""
    group.publish(*(job(fake_seconds="1.5") for _ in range(JOBS)))
    process = spawn(group, "worker", workers=2)
    # the first two are at work as soon as they report
    wait_for(lambda: len(group.read(group.progress)) >= 2)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said.decode()
    done = len(group.job_results())
    assert 2 <= done < JOBS
    with member(group, at_once=True):
        assert len(group.await_results(JOBS)) == JOBS
    assert not duplicates(group.job_results())


def test_running_jobs_are_left_when_the_time_to_drain_is_over(group: GpuGroup) -> None:
    """Nothing is lost: the next member does them."""
    request = job(fake_seconds="600")
    group.publish(request)
    with member(group, drain_seconds=0.1) as first:
        wait_for(lambda: len(group.read(group.progress)) >= 1)
        assert first.stop() == 0
    assert not group.job_results()
    with member(group, at_once=True):
        assert [result.job_id for result in group.await_results(1)] == [request.job_id]


def test_a_lost_gpu_ends_the_process_without_a_result(group: GpuGroup) -> None:
    """A sticky CUDA error is no record's fault: exit 70, offset not moved."""
    group.publish(job(fake_outcome="cuda"))
    assert GroupMember(group, "worker").start().join() == FAILED
    assert not group.job_results()
    assert not group.read(group.dlq)
    assert group.lag() == 1


def test_a_process_whose_id_was_taken_ends(group: GpuGroup) -> None:
    """It does not fight back, and what it could not write is written by the next one."""
    first = GroupMember(group, "same").start()
    group.publish(job())
    assert len(group.await_results(1)) == 1
    taker = TransactionalProducer(group.settings, transactional_id(group.name, "same"))
    taker.open()
    group.publish(*(job() for _ in range(20)))
    assert first.join() == FAILED
    taker.close()
    with member(group, "same"):
        assert len(group.await_results(21)) == 21
    assert not duplicates(group.job_results())


def _records(group: GpuGroup, *requests: JobRequested) -> list[Record]:
    return [record_of(SERDE, group.jobs, request, "test", datetime.now(UTC)) for request in requests]
