"""What the records of a group wait for: every gate of the process, built with the real queue, isolation, breaker and barrier."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from threading import Thread

import pytest

from gpu_consumers.core.delivery.crash_suspects import CrashSuspects, StartMark, StartMarks, StartMode
from gpu_consumers.core.delivery.error_policy import Settlement
from gpu_consumers.core.delivery.failure_breaker import ENOUGH
from gpu_consumers.core.delivery.fairness import LONG_SECONDS, SchedulingInfo
from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position
from gpu_consumers.kafka.partitions import OwnedPartition
from gpu_consumers.runtime.task_queue import SharedIsolation, TaskQueue
from gpu_consumers.runtime.tasks import Finished, JobTask
from gpu_consumers.runtime.waiting import closed_gates, report_of
from gpu_consumers.runtime.worker_pool import WorkerPool
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import IN_WORK, ClosedGate

PATIENCE = 60.0
SUSPECT, LONG = 7, 8


class Situation:
    """One partition of jobs before a queue of two workers; nothing is begun by itself."""

    def __init__(self, *marks: StartMark) -> None:
        self.shared = SharedIsolation()
        self.queue = TaskQueue(2, self.shared, clock=lambda: 0.0)
        starts = CrashSuspects(StartMarks(bool(marks), marks))
        self.partition = OwnedPartition("jobs", 0, PartitionOffsets(Position(0)), None, Position(0), starts)

    def task(self, offset: int) -> JobTask:
        delivery = Delivery("jobs", 0, offset, None, None)
        self.partition.receive(delivery)
        return JobTask(delivery, self.partition)

    def put(self, offset: int, ticket: SchedulingInfo | None = None) -> JobTask:
        task = self.task(offset)
        self.queue.put(task, ticket or SchedulingInfo("acme"))
        return task

    def reasons(self) -> dict[int, WaitReason]:
        return {task.delivery.offset: reason for task, reason in self.queue.waiting()}


def failing(situation: Situation) -> None:
    """Jobs of four tenants fail by no fault of theirs, as many as make everybody wait."""
    for number in range(ENOUGH):
        situation.put(100 + number, SchedulingInfo(f"tenant {number % 4}"))
        taken = situation.queue.take()
        assert taken is not None
        situation.queue.done(taken, failed=True)


def long_ones(situation: Situation) -> None:
    situation.put(LONG + 1, SchedulingInfo("acme", seconds=LONG_SECONDS))
    assert situation.queue.take() is not None
    situation.put(LONG, SchedulingInfo("acme", seconds=LONG_SECONDS))


def suspect_runs(situation: Situation) -> None:
    situation.put(SUSPECT)
    taken = situation.queue.take()
    assert taken is not None
    assert taken.delivery.offset == SUSPECT


def suspect_waits(situation: Situation) -> None:
    situation.put(LONG)
    assert situation.queue.take() is not None
    situation.put(SUSPECT)


MARK = StartMark(SUSPECT, StartMode.SHARED)
NOTHING: Callable[[Situation], None] = lambda _: None  # noqa: E731


@pytest.mark.parametrize(
    ("marks", "fault", "expected"),
    [
        ((), NOTHING, {1: WaitReason.TURN}),
        ((), failing, {1: WaitReason.FAILURE_BREAKER}),
        ((), long_ones, {1: WaitReason.TURN, LONG: WaitReason.LONG_RECORDINGS}),
        ((MARK,), suspect_runs, {1: WaitReason.ISOLATION}),
        ((MARK,), suspect_waits, {1: WaitReason.TURN, SUSPECT: WaitReason.SUSPECT}),
    ],
    ids=["busy workers", "failures", "long recordings", "a suspect runs", "a suspect waits"],
)
def test_a_job_that_waits_for_a_worker_says_which_gate_holds_it(
    marks: tuple[StartMark, ...], fault: Callable[[Situation], None], expected: dict[int, WaitReason]
) -> None:
    # given: a job in the queue, and what happened before
    situation = Situation(*marks)
    fault(situation)
    situation.put(1)
    # then: each gate is named, and looking has taken nothing
    assert situation.reasons() == expected
    assert situation.reasons() == expected


@contextmanager
def working(execute: Callable[[JobTask], Finished | None]) -> Iterator[WorkerPool]:
    pool = WorkerPool("test", 1, execute)
    pool.start()
    try:
        yield pool
    finally:
        pool.stop()


def seen(look: Callable[[], object]) -> object:
    """What it comes to show, as soon as it shows anything."""
    over = Flag()
    found: list[object] = []

    def watch() -> None:
        while not found and not over.is_set():
            if shown := look():
                found.append(shown)

    thread = Thread(target=watch)
    thread.start()
    thread.join(PATIENCE)
    over.set()
    return found[0] if found else None


def test_a_job_that_has_a_worker_waits_until_its_marks_are_committed() -> None:
    situation, begun, end = Situation(), Flag(), Flag()

    def execute(task: JobTask) -> Finished:
        begun.set()
        end.wait(PATIENCE)
        return Finished(task, None, Settlement("completed"), ())

    with working(execute) as pool:
        task = situation.task(1)
        pool.submit(task)
        waits = seen(lambda: [reason for held, reason in pool.waiting() if reason is not WaitReason.TURN])
        assert waits == [WaitReason.COMMIT_BARRIER]
        assert not begun.is_set()
        situation.partition.commit_barrier.complete(1)
        assert begun.wait(PATIENCE)
        assert (pool.waiting(), pool.working()) == ([], [task])
        end.set()


def test_a_report_has_every_record_in_hand_with_what_holds_it() -> None:
    # given: five records, of which one is in work and one is not due yet
    situation = Situation()
    tasks = {offset: situation.task(offset) for offset in range(5)}
    situation.partition.hold(tasks[4].delivery, 1e12)
    held = [(tasks[1], WaitReason.DUPLICATE), (tasks[2], WaitReason.COMMIT_PENDING), (tasks[0], WaitReason.OUTAGE)]
    # when
    report = report_of("g", [situation.partition], held, [tasks[0], tasks[3]], (), full=False)
    # then
    [state] = report.partitions
    assert state.records == {
        0: WaitReason.OUTAGE,
        1: WaitReason.DUPLICATE,
        2: WaitReason.COMMIT_PENDING,
        3: IN_WORK,
        4: WaitReason.RETRY_DELAY,
    }
    assert (state.committed, state.in_hand, state.paused_by) == (0, 5, (WaitReason.RETRY_DELAY,))
    assert {each.reason: each.jobs for each in report.waiting} == dict.fromkeys(
        (WaitReason.OUTAGE, WaitReason.DUPLICATE, WaitReason.COMMIT_PENDING, WaitReason.RETRY_DELAY), 1
    )
    assert report.closed == (ClosedGate("g", WaitReason.RETRY_DELAY, 1),)


def test_what_is_on_its_way_to_the_queue_waits_for_its_turn() -> None:
    situation = Situation()
    situation.task(3)
    report = report_of("g", [situation.partition], (), (), (), full=True)
    assert report.record("jobs", 0, 3) == WaitReason.TURN
    assert report.closed == (ClosedGate("g", WaitReason.LOOKAHEAD_FULL, 1),)


def test_what_is_committed_is_in_no_hand() -> None:
    situation = Situation()
    task = situation.task(3)
    situation.partition.finish([task.delivery])
    report = report_of("g", [situation.partition], (), (), (), full=False)
    assert (report.waiting, report.partitions[0].records, situation.partition.since) == ((), {}, {})


def test_a_group_says_why_it_lets_nothing_through() -> None:
    well = {"joined": True, "producing": True, "caught_up": True, "draining": False, "committing": True}
    faults = {
        "joined": WaitReason.STARTING,
        "producing": WaitReason.COMMIT_PENDING,
        "caught_up": WaitReason.ORDERS_UNKNOWN,
        "draining": WaitReason.DRAINING,
        "committing": WaitReason.COMMIT_PENDING,
    }
    assert closed_gates(**well) == ()
    for name, reason in faults.items():
        assert closed_gates(**{**well, name: not well[name]}) == (reason,)
    assert closed_gates(**{**well, "joined": False, "producing": False}) == (WaitReason.STARTING,)
