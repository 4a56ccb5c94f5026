"""Deliveries that wait, stop or are given up: outages, drains, lost partitions, duplicates."""

import time
from collections.abc import Callable
from threading import Thread, Timer

import pytest

from gpu_consumers.core.delivery.messages import Delivery, Emission, Job, Work
from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position
from gpu_consumers.engines.fake import FakeStage
from gpu_consumers.kafka.partitions import OwnedPartition
from gpu_consumers.runtime.tasks import Finished, JobTask
from schemas.errors import Fatal, NotOwner
from schemas.events import Outcome
from schemas.process.wait_reasons import WaitReason
from tests.gpu_consumers.runtime.execution.executing import (
    SERDE,
    ExecutorHarness,
    ordered,
    result_of,
)


def test_an_outage_is_waited_for_in_place() -> None:
    """No attempt is spent: the result comes of the first delivery."""
    assert result_of(ExecutorHarness().order(fake_outcome="outage", fake_until="4")).outcome is Outcome.COMPLETED


def test_a_job_that_waits_for_an_outage_says_so() -> None:
    bench = ExecutorHarness(outage_wait=60)
    waits: list[WaitReason] = []

    def look() -> None:
        deadline = time.monotonic() + 60
        while not waits and time.monotonic() < deadline:
            waits.extend(reason for _, reason in bench.executor.work.stall_detector.waiting())
        bench.shutdown.request()

    looking = Thread(target=look)
    looking.start()
    assert bench.order(fake_outcome="outage", fake_until="99") is None
    looking.join(60)
    assert waits == [WaitReason.OUTAGE]
    assert bench.executor.work.stall_detector.waiting() == []


def test_an_outage_ends_with_the_drain_and_writes_nothing() -> None:
    bench = ExecutorHarness(outage_wait=60)
    timer = Timer(0.05, bench.shutdown.request)
    timer.start()
    assert bench.order(fake_outcome="outage", fake_until="99") is None
    timer.join()


def test_an_outage_ends_with_the_partition() -> None:
    bench = ExecutorHarness()
    bench.partition.owned = False
    assert bench.order(fake_outcome="outage", fake_until="99") is None


def test_a_job_of_a_lost_partition_is_dropped() -> None:
    bench = ExecutorHarness()
    bench.partition.owned = False
    assert bench.order() is None


def test_a_job_stops_when_the_time_to_drain_is_over() -> None:
    bench = ExecutorHarness()
    bench.shutdown.abort()
    assert bench.order(fake_seconds="60") is None


def test_a_lost_gpu_is_fatal() -> None:
    with pytest.raises(Fatal, match="illegal memory access"):
        ExecutorHarness().order(fake_outcome="cuda")


class GivesUp(FakeStage):
    """A stage that says NotOwner although the partition is ours."""

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        raise NotOwner("a lease of its own")


def test_a_record_that_its_stage_gives_up_is_not_stuck() -> None:
    finished = ExecutorHarness(GivesUp(SERDE)).order()
    assert finished is not None
    assert finished.outcome == "retried"


class MeetsItsDuplicate(FakeStage):
    """Another record of the same job comes to another worker while this one is at work."""

    duplicate: Callable[[], Finished | None]

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        assert self.duplicate() is None
        return super().run(job, work)


@pytest.mark.parametrize("fate", ["committed", "retried", "dropped"])
def test_a_duplicate_waits_for_the_end_of_the_first(fate: str) -> None:
    """It is skipped only when that is written; else it is worked on itself."""
    stage = MeetsItsDuplicate(SERDE)
    bench = ExecutorHarness(stage)
    value = ordered(fake_outcome="transient" if fate == "retried" else "completed")
    first, duplicate = (JobTask(Delivery("scribe.jobs", 0, n, b"key", value), bench.partition) for n in (5, 6))
    stage.duplicate = lambda: bench.executor.execute(duplicate)
    finished = bench.executor.execute(first)
    assert finished is not None
    assert finished.job is not None
    assert bench.duplicates.released() == []
    bench.duplicates.ended(finished.job, first, fate != "dropped" and finished.settlement.final)
    assert bench.duplicates.released() == [duplicate]
    stage.duplicate = lambda: None
    second = bench.executor.execute(duplicate)
    assert second is not None
    expected = {"committed": "duplicate", "retried": "retried", "dropped": "completed"}
    assert second.outcome == expected[fate]
    assert bool(second.records) is (fate != "committed")


def test_a_duplicate_is_released_when_the_first_writes_nothing() -> None:
    stage = MeetsItsDuplicate(SERDE)
    bench = ExecutorHarness(stage)
    lost = OwnedPartition("scribe.jobs", 0, PartitionOffsets(Position(0)), None, None, owned=False)
    first, duplicate = (
        JobTask(Delivery("a", 0, 5, None, ordered()), lost),
        JobTask(Delivery("b", 0, 5, None, ordered()), lost),
    )
    stage.duplicate = lambda: bench.executor.execute(duplicate)
    assert bench.executor.execute(first) is None
    assert bench.duplicates.released() == [duplicate]
