"""The worker threads: everything comes back, what is lost is skipped, and a failure is seen."""

from collections.abc import Callable
from queue import Empty
from threading import Event as Flag

import pytest

from gpu_consumers.core.delivery.crash_suspects import CrashSuspects, StartMark, StartMarks, StartMode
from gpu_consumers.core.delivery.error_policy import Settlement
from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position
from gpu_consumers.kafka.partitions import OwnedPartition
from gpu_consumers.runtime.stall_detector import STALL_SECONDS, StallDetector
from gpu_consumers.runtime.tasks import Finished, JobTask
from gpu_consumers.runtime.worker_pool import WorkerPool
from schemas.errors import Fatal

PATIENCE = 60.0  # seconds; a machine may stand still for some


def task(offset: int, owned: bool = True) -> JobTask:
    partition = OwnedPartition("jobs", 0, PartitionOffsets(Position(0)), None, None, owned=owned)
    partition.commit_barrier.complete(1)
    return JobTask(Delivery("jobs", 0, offset, None, None), partition)


def finish(given: JobTask) -> Finished:
    return Finished(given, None, Settlement("completed"), ())


def pool(execute: Callable[[JobTask], Finished | None], workers: int = 2) -> WorkerPool:
    made = WorkerPool("test", workers, execute)
    made.start()
    return made


def test_every_task_comes_back_finished() -> None:
    workers = pool(finish)
    for offset in range(50):
        workers.submit(task(offset))
    assert {workers.finished.get(timeout=PATIENCE).task.delivery.offset for _ in range(50)} == set(range(50))
    workers.stop()


def test_tasks_of_a_lost_partition_are_not_begun() -> None:
    workers = pool(finish, workers=1)
    workers.submit(task(0, owned=False))
    workers.submit(task(1))
    assert workers.finished.get(timeout=PATIENCE).task.delivery.offset == 1
    assert workers.finished.empty()
    workers.stop()


def test_a_task_that_hangs_is_told_and_counts_against_its_record() -> None:
    now, begun, over = [0.0], Flag(), Flag()

    def execute(given: JobTask) -> Finished:
        begun.set()
        over.wait(PATIENCE)
        return finish(given)

    workers = WorkerPool("test", 1, execute, stall_detector=StallDetector(lambda: now[0]))
    workers.start()
    hanging = task(7)
    workers.submit(hanging)
    assert begun.wait(PATIENCE)
    assert workers.hanging == []
    now[0] = 2 * STALL_SECONDS
    assert workers.hanging == [hanging]
    assert hanging.partition.suspects.marks(leaving=True).begun == (StartMark(7, StartMode.SHARED),)
    over.set()
    workers.stop()


def test_what_waits_can_be_discarded_while_what_runs_goes_on() -> None:
    begun, end = Flag(), Flag()

    def slow(given: JobTask) -> Finished:
        begun.set()
        end.wait(PATIENCE)
        return finish(given)

    workers = pool(slow, workers=1)
    for offset in range(3):
        workers.submit(task(offset))
    assert begun.wait(PATIENCE)
    assert workers.busy == 1
    workers.discard()
    end.set()
    assert workers.finished.get(timeout=PATIENCE).task.delivery.offset == 0
    workers.stop()
    assert workers.finished.empty()


def test_a_dropped_task_leaves_nothing_behind() -> None:
    workers = pool(lambda given: None if given.delivery.offset == 0 else finish(given), workers=1)
    workers.submit(task(0))
    workers.submit(task(1))
    assert workers.finished.get(timeout=PATIENCE).task.delivery.offset == 1
    workers.stop()


@pytest.mark.parametrize("error", [Fatal("lost"), ZeroDivisionError("a bug of ours")])
def test_an_error_that_escapes_is_kept_for_the_poll_thread(error: Exception) -> None:
    failed = Flag()

    def fail(given: JobTask) -> Finished:
        try:
            raise error
        finally:
            failed.set()

    workers = pool(fail, workers=1)
    workers.submit(task(0))
    assert failed.wait(PATIENCE)
    workers.stop()
    workers.join(PATIENCE)
    assert workers.failure is error


def suspect(offset: int, barriers: int) -> JobTask:
    """A task that was in work when its process died, of a partition of its own with so many commits of its marks."""
    found = StartMarks(owned=True, begun=(StartMark(offset, StartMode.EXCLUSIVE),), owner="before")
    partition = OwnedPartition(
        "jobs", offset, PartitionOffsets(Position(0)), None, None, suspects=CrashSuspects(found, "now")
    )
    partition.commit_barrier.complete(barriers)
    return JobTask(Delivery("jobs", offset, offset, None, None), partition)


def test_a_suspect_that_ended_keeps_its_turn_until_its_outcome_is_committed() -> None:
    """Or the death of the next one would be counted against it too."""
    workers = pool(finish)
    tasks = [suspect(0, 99), suspect(1, 99)]
    for each in tasks:
        workers.submit(each)
    first = workers.finished.get(timeout=PATIENCE).task
    with pytest.raises(Empty):
        workers.finished.get(timeout=0.5)
    first.partition.suspects.finish([first.delivery.offset])
    (second,) = (each for each in tasks if each is not first)
    assert workers.finished.get(timeout=PATIENCE).task is second
    second.partition.suspects.finish([second.delivery.offset])
    workers.stop()
    workers.join(PATIENCE)


def test_a_suspect_that_is_left_keeps_its_turn_until_that_is_committed() -> None:
    """It runs after its own mark is committed, and the next one after the commit that takes the mark back."""
    left: list[JobTask] = []
    ran = Flag()

    def leave_first(given: JobTask) -> Finished | None:
        if left:
            return finish(given)
        left.append(given)
        ran.set()
        return None

    workers = pool(leave_first)
    tasks = [suspect(0, 2), suspect(1, 2)]
    for each in tasks:
        workers.submit(each)
    assert ran.wait(PATIENCE)
    with pytest.raises(Empty):
        workers.finished.get(timeout=0.5)
    barrier = left[0].partition.commit_barrier
    barrier.complete(barrier.requested)
    assert workers.finished.get(timeout=PATIENCE).task is not left[0]
    for each in tasks:
        each.partition.owned = False
    workers.stop()
    workers.join(PATIENCE)
