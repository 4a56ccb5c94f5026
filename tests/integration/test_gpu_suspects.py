"""Records that end their process: found, run alone, set aside; what only stood beside them ends well."""

import os
import signal
import time
from collections import Counter

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from gpu_consumers.core.delivery.crash_suspects import NO_MARKS, StartMark, StartMarks, StartMode
from gpu_consumers.core.delivery.offsets import decode_marks, encode
from gpu_consumers.service import FAILED
from producers.kafka.moved_leaders import committed
from schemas.events import JobRequested, Outcome
from schemas.wire.headers import ERROR_CODE, ORIGINAL_TOPIC
from tests.integration.faust_process import group_members, until
from tests.integration.gpu import SERDE, GpuGroup, GroupMember, create_topics, headers, job, member, spawn

LIVES = 8


@pytest.fixture
def group(kafka: str) -> GpuGroup:
    made, _ = create_topics(kafka)
    return made


def marks_of(group: GpuGroup) -> list[StartMarks]:
    """What is committed of every partition of the jobs."""
    consumer = Consumer(
        {"bootstrap.servers": group.bootstrap, "group.id": group.name, "isolation.level": "read_uncommitted"}
    )
    partitions = [TopicPartition(group.jobs, number) for number in range(4)]
    found = [decode_marks(each.offset, each.metadata) for each in committed(consumer, partitions, 30)]
    consumer.close()
    return found


def test_a_record_that_ends_every_process_is_quarantined_and_its_neighbours_are_not(group: GpuGroup) -> None:
    """An error that takes the GPU from the process stands for whatever ends it: here nothing is told to the group."""
    killer, good = job(fake_outcome="cuda"), [job(fake_seconds=str(0.02 * number)) for number in range(12)]
    group.publish(*good[:6], killer, *good[6:])
    ends: list[int | None] = []
    while group.lag() and len(ends) < LIVES:
        life = GroupMember(group, "worker").start()
        while life.alive and len(group.job_results()) < 13:
            time.sleep(0.1)
        ends.append(life.stop())
    assert ends == [FAILED] * (len(ends) - 1) + [0]
    assert 3 <= len(ends) <= 6
    results = {result.job_id: result for result in group.job_results()}
    assert Counter(result.outcome for result in results.values()) == {Outcome.COMPLETED: 12, Outcome.FAILED: 1}
    error = results[killer.job_id].error
    assert error is not None
    assert error.code == "quarantined"
    [letter] = group.read(group.dlq)
    assert letter.value() == SERDE.encode(killer)
    assert (headers(letter)[ERROR_CODE], headers(letter)[ORIGINAL_TOPIC]) == ("quarantined", group.jobs)


def test_preemption_leaves_no_mark(group: GpuGroup) -> None:
    """The time to drain is over before the jobs are: they are run again, and under no suspicion."""
    group.publish(*(job(fake_seconds="600") for _ in range(3)))
    with member(group, drain_seconds=0.1) as first:
        until("three are begun", lambda: sum(len(marks.begun) for marks in marks_of(group)) == 3)
        assert first.stop() == 0
    assert marks_of(group) == [NO_MARKS] * 4


def suspected(group: GpuGroup, request: JobRequested) -> int:
    """Publish a job as if an owner had died while it ran beside others; returns its partition."""
    group.publish(request)
    [number] = [message.partition() for message in group.read(group.jobs)]
    assert number is not None
    marks = StartMarks(True, (StartMark(0, StartMode.SHARED),))
    operator = Consumer({"bootstrap.servers": group.bootstrap, "group.id": group.name, "enable.auto.commit": False})
    operator.commit(offsets=[TopicPartition(group.jobs, number, 0, encode(0, (), marks))], asynchronous=False)
    operator.close()
    return number


def test_two_processes_that_fight_for_one_id_condemn_no_record(group: GpuGroup) -> None:
    """The one that loses ends, and what it ran alone is as innocent as before."""
    number = suspected(group, job(fake_seconds="600"))
    loser = GroupMember(group, "worker").start()
    until("the suspect runs alone", lambda: StartMark(0, StartMode.EXCLUSIVE) in marks_of(group)[number].begun)
    with member(group, "worker", at_once=True):
        assert loser.join() == FAILED
        [result] = group.await_results(1)
        assert result.outcome is Outcome.COMPLETED
    loser.publisher.close()


def test_a_process_that_was_frozen_is_not_taken_for_dead_by_itself(group: GpuGroup) -> None:
    """Its partitions are given away and come back to it; the record that it ran alone killed nobody."""
    number = suspected(group, job(fake_seconds="600"))
    process = spawn(group, "worker")
    try:
        until("the suspect runs alone", lambda: StartMark(0, StartMode.EXCLUSIVE) in marks_of(group)[number].begun)
        os.kill(process.pid, signal.SIGSTOP)
        until("its partitions are taken from it", lambda: not members(group))
        os.kill(process.pid, signal.SIGCONT)
        until("it is back", lambda: bool(members(group)))
        until("it runs alone again", lambda: StartMark(0, StartMode.EXCLUSIVE) in marks_of(group)[number].begun)
        time.sleep(1.5)  # in which a death would be told
        assert StartMark(0, StartMode.EXCLUSIVE) in marks_of(group)[number].begun
    finally:
        process.kill()
        process.communicate()


def members(group: GpuGroup) -> int:
    """How many the broker knows."""
    return group_members(AdminClient({"bootstrap.servers": group.bootstrap}), group.name)
