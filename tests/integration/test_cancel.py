"""Cancelling by the control topic, on a real broker with the fake stage."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from gpu_consumers.core.delivery.cancellations import Cancellations
from gpu_consumers.kafka import topic_reader
from gpu_consumers.kafka.topic_reader import BootstrappedTopicReader
from producers.jobs.cancelling import cancel_record
from schemas.events import JobControl, JobRequested, Outcome
from schemas.retries.schedules import LADDER
from schemas.wire.records import Record
from tests.conftest import TopicFactory
from tests.integration.gpu import SERDE, GpuGroup, GroupMember, create_topics, job, member
from tests.integration.waiting import wait_for


@dataclass
class Control:
    """A control topic of a test's own."""

    group: GpuGroup
    topic: str
    cancellations: Cancellations = field(default_factory=Cancellations)

    def order(self, request: JobRequested, *, tenant: str | None = None, run: int | None = None) -> Record:
        now = datetime.now(UTC)
        run, tenant = run or request.run, tenant or request.tenant
        return cancel_record(
            SERDE, request.job_id, run, tenant, requested_by="test", source="test", now=now, topic=self.topic
        )

    def cancel(self, *requests: JobRequested, tenant: str | None = None, run: int | None = None) -> None:
        self.group.publish_records(*(self.order(request, tenant=tenant, run=run) for request in requests))

    @contextmanager
    def followed(self) -> Iterator[BootstrappedTopicReader[JobControl]]:
        settings, take = self.group.settings, self.cancellations.add
        with BootstrappedTopicReader(settings, SERDE, self.topic, JobControl, take, "test") as reader:
            yield reader

    @contextmanager
    def member(self, workers: int = 1) -> Iterator[GroupMember]:
        with (
            self.followed() as reader,
            member(
                self.group,
                workers=workers,
                control=reader,
                cancellations=self.cancellations,
                drain_seconds=0.2,
            ) as started,
        ):
            yield started


@pytest.fixture
def control(kafka: str, fresh_topic: TopicFactory) -> Control:
    group, _ = create_topics(kafka)
    return Control(group, fresh_topic(partitions=3))


def test_what_runs_stops_and_what_waits_is_not_begun(control: Control) -> None:
    group = control.group
    running, waiting, wanted = job(fake_seconds="600"), job(), job()
    group.publish(running)
    with control.member() as worker:
        wait_for(lambda: worker.stage.runs == 1)
        group.publish(waiting, wanted)
        control.cancel(waiting)
        # orders lie in several partitions: the second one may be heard of first
        wait_for(lambda: control.cancellations.covers(waiting))
        control.cancel(running)
        results = {result.job_id: result for result in group.await_results(3)}
        assert results[running.job_id].outcome is Outcome.CANCELLED
        assert results[waiting.job_id].outcome is Outcome.CANCELLED
        assert results[waiting.job_id].error is None
        assert results[wanted.job_id].outcome is Outcome.COMPLETED
        assert worker.stage.runs == 2
        assert group.await_no_lag() == 0


def test_only_orders_for_this_run_of_the_tenants_own_job_count_and_an_end_stays(control: Control) -> None:
    group = control.group
    ended, foreign, later = job(), job(), replace(job(), run=2)
    control.cancel(foreign, tenant="globex")
    control.cancel(later, run=1)
    control.cancel(job())
    group.publish(ended, foreign, later)
    with control.member() as worker:
        first = group.await_results(3)
        assert {result.outcome for result in first} == {Outcome.COMPLETED}
        control.cancel(ended)
        wait_for(lambda: control.cancellations.covers(ended))
        group.publish(last := job())
        assert group.await_results(4)[-1].job_id == last.job_id or len(group.job_results()) == 4
        assert worker.stage.runs == 4


def test_a_job_that_waits_for_another_attempt_is_not_tried_again(control: Control) -> None:
    group = control.group
    failing = job(fake_outcome="transient", fake_until="9")
    group.publish(failing)
    with control.member() as worker:
        wait_for(lambda: len(group.read(group.retry("1m"))) == 1)
        control.cancel(failing)
        [result] = group.await_results(1)
        assert result.outcome is Outcome.CANCELLED
        # how many are made before the order is heard of is a matter of time
        assert worker.stage.runs <= len(LADDER.steps)
        assert group.read(group.dlq) == []


def test_all_orders_are_known_before_work_starts_whatever_else_lies_there(control: Control) -> None:
    """Ten thousand of them, among nonsense and deletions."""
    group, wanted = control.group, job()
    cancelled = [job() for _ in range(20)]
    others = (replace(wanted, job_id=uuid4()) for _ in range(10_000 - len(cancelled)))
    nonsense = [Record(control.topic, b"x", b"nonsense"), Record(control.topic, b"x", None)]
    group.publish(*cancelled, wanted)
    group.publish_records(*nonsense, *map(control.order, others), *map(control.order, cancelled), *nonsense)
    with control.member(workers=4) as worker:
        results = group.await_results(21)
        assert worker.stage.runs == 1
    assert len(control.cancellations) == 10_000
    assert {r.job_id for r in results if r.outcome is Outcome.COMPLETED} == {wanted.job_id}


class Broken(Cancellations):
    """Fails as long as it is told to, in a way that nobody thought of."""

    broken = False

    def add(self, order: JobControl) -> None:
        if self.broken:
            raise ZeroDivisionError
        super().add(order)


def test_a_reader_that_broke_begins_again_and_readiness_says_so_meanwhile(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_reader, "AGAIN_SECONDS", 1.0)
    control.cancellations = broken = Broken()
    first, second = job(), job()
    with control.member() as worker:
        ready = worker.service.ready
        wait_for(lambda: ready() is None)
        broken.broken = True
        control.cancel(first)
        wait_for(lambda: "does not hear of cancels" in (ready() or ""))
        broken.broken = False
        wait_for(lambda: ready() is None)
        control.cancel(second)
        wait_for(lambda: broken.covers(first) and broken.covers(second))


def test_a_topic_that_is_not_there_yet_is_waited_for(kafka: str, caplog: pytest.LogCaptureFixture) -> None:
    group, _ = create_topics(kafka)
    missing, take = f"missing.{uuid4().hex[:8]}", Cancellations().add
    with BootstrappedTopicReader(group.settings, SERDE, missing, JobControl, take, "test") as reader:
        wait_for(lambda: "scribe topics apply" in caplog.text)
        assert not reader.caught_up
