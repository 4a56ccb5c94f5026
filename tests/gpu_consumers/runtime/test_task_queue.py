"""The queue of a group: suspects first and alone in the process, then whoever is next, and nothing of a lost partition."""

from collections import Counter
from heapq import heappop, heappush
from itertools import count
from threading import Thread

import pytest

from gpu_consumers.core.delivery.crash_suspects import CrashSuspects, StartMark, StartMarks, StartMode
from gpu_consumers.core.delivery.fairness import LONG_SECONDS, SchedulingInfo
from gpu_consumers.core.delivery.isolation import EXCLUSIVE_SECONDS
from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position
from gpu_consumers.kafka.commit_barrier import CommitBarrier
from gpu_consumers.kafka.partitions import OwnedPartition
from gpu_consumers.runtime.task_queue import SharedIsolation, TaskQueue
from gpu_consumers.runtime.tasks import JobTask


def partition(*marks: StartMark) -> OwnedPartition:
    return OwnedPartition(
        "jobs", 0, PartitionOffsets(Position(0)), None, None, CrashSuspects(StartMarks(bool(marks), marks))
    )


def task(owner: OwnedPartition, offset: int) -> JobTask:
    return JobTask(Delivery("jobs", 0, offset, None, None), owner)


def filled(queue: TaskQueue, owner: OwnedPartition, *offsets: int) -> list[JobTask]:
    tasks = [task(owner, offset) for offset in offsets]
    for each in tasks:
        queue.put(each, SchedulingInfo())
    return tasks


def begun(owner: OwnedPartition) -> dict[int, StartMode]:
    return {mark.offset: mark.mode for mark in owner.suspects.marks().begun}


def test_a_suspect_goes_first_and_alone_in_the_whole_process() -> None:
    shared, owned = SharedIsolation(), partition(StartMark(7, StartMode.SHARED))
    mine, other = TaskQueue(2, shared), TaskQueue(2, shared)
    innocent, suspect = filled(mine, owned, 3, 7)
    [neighbour] = filled(other, partition(), 1)
    assert mine.take() is suspect
    assert begun(owned) == {7: StartMode.EXCLUSIVE}
    waiting = Thread(target=lambda: found.append(other.take()))
    found: list[JobTask | None] = []
    waiting.start()
    waiting.join(0.2)
    assert not found
    mine.done(suspect)
    waiting.join(60)
    assert found == [neighbour]
    assert mine.take() is innocent


def test_what_was_queued_of_a_lost_partition_is_not_charged_to_its_tenant() -> None:
    queue, lost, kept = TaskQueue(1, SharedIsolation(), clock=lambda: 0.0), partition(), partition()
    filled(queue, lost, *range(50))
    [mine] = filled(queue, kept, 100)
    theirs = [task(kept, 200), task(kept, 201)]
    for each in theirs:
        queue.put(each, SchedulingInfo("another"))
    lost.owned = False
    assert worked(queue, 3).index(mine.delivery.offset) < 2


def test_work_that_was_never_done_is_not_charged() -> None:
    queue, owned = TaskQueue(1, SharedIsolation(), clock=lambda: 0.0), partition()
    for offset in range(5):  # long recordings that are cancelled before they begin
        queue.put(task(owned, offset), SchedulingInfo("acme", express=True, seconds=LONG_SECONDS))
    worked(queue, 5)
    short, other = task(owned, 5), task(owned, 6)
    queue.put(other, SchedulingInfo("globex", seconds=60.0))
    queue.put(task(owned, 7), SchedulingInfo("globex", seconds=60.0))
    queue.put(short, SchedulingInfo("acme", express=True, seconds=60.0))
    assert short.delivery.offset in worked(queue, 2)


def test_a_suspect_that_ends_without_work_earns_its_tenant_nothing() -> None:
    queue, owned = TaskQueue(1, SharedIsolation(), clock=lambda: 0.0), partition(StartMark(0, StartMode.EXCLUSIVE, 1))
    queue.put(task(owned, 0), SchedulingInfo("acme", seconds=36_000.0))
    condemned = queue.take()
    for offset in range(1, 9):
        queue.put(task(owned, offset), SchedulingInfo("acme" if offset < 5 else "globex", seconds=600.0))
    assert condemned is not None
    queue.done(condemned)
    order = "".join("a" if offset < 5 else "g" for offset in worked(queue, 8, audio=600.0))
    assert order in ("agagagag", "gagagaga")


def test_failures_that_hold_a_worker_are_charged_as_if_they_were_none() -> None:
    now = [0.0]
    queue, owned = TaskQueue(1, SharedIsolation(), clock=lambda: now[0]), partition()
    for offset in range(20):
        queue.put(task(owned, offset), SchedulingInfo("acme" if offset < 10 else "globex", seconds=60.0))
    order = []
    for _ in range(10):
        taken = queue.take()
        assert taken is not None
        now[0] += 6.0
        queue.done(taken, None if taken.delivery.offset < 10 else 60.0)
        order.append(taken.delivery.offset < 10)
    assert sum(order) == 5


def worked(queue: TaskQueue, count: int, audio: float | None = None) -> list[int]:
    """The offsets of so many tasks in the order in which a worker gets them."""
    offsets = []
    for _ in range(count):
        taken = queue.take()
        assert taken is not None
        queue.done(taken, audio)
        offsets.append(taken.delivery.offset)
    return offsets


def test_a_condemned_record_is_handed_out_at_once_and_not_begun() -> None:
    queue, owned = TaskQueue(2, SharedIsolation()), partition(StartMark(7, StartMode.EXCLUSIVE, 1))
    running, condemned = task(partition(), 1), task(owned, 7)
    queue.put(running, SchedulingInfo())
    assert queue.take() is running
    queue.put(condemned, SchedulingInfo())
    assert queue.take() is condemned
    assert begun(owned) == {7: StartMode.NOT_STARTED}


def test_a_suspect_that_lives_long_lets_others_begin_and_its_death_would_count_little() -> None:
    now = [0.0]
    queue, owned = TaskQueue(2, SharedIsolation(), clock=lambda: now[0]), partition(StartMark(7, StartMode.SHARED))
    innocent, suspect = filled(queue, owned, 3, 7)
    assert queue.take() is suspect
    now[0] = EXCLUSIVE_SECONDS
    assert queue.take() is innocent
    assert begun(owned) == {7: StartMode.RELAXED, 3: StartMode.SHARED}


def test_what_belongs_to_a_lost_partition_is_never_begun() -> None:
    queue, lost, kept = TaskQueue(2, SharedIsolation()), partition(StartMark(2, StartMode.SHARED)), partition()
    filled(queue, lost, 1, 2)
    [own] = filled(queue, kept, 5)
    lost.owned = False
    assert queue.take() is own
    assert begun(lost) == {2: StartMode.NOT_STARTED}


def test_long_recordings_leave_a_worker_free() -> None:
    queue, owned = TaskQueue(2, SharedIsolation()), partition()
    first, second, short = (task(owned, offset) for offset in range(3))
    queue.put(first, SchedulingInfo(seconds=LONG_SECONDS))
    queue.put(second, SchedulingInfo(seconds=LONG_SECONDS))
    queue.put(short, SchedulingInfo(seconds=5))
    assert [queue.take(), queue.take()] == [first, short]
    queue.done(short)
    queue.done(first, LONG_SECONDS)
    assert queue.take() is second


def test_nothing_comes_after_it_was_discarded_and_a_closed_queue_lets_everybody_go() -> None:
    queue = TaskQueue(1, SharedIsolation())
    filled(queue, partition(StartMark(2, StartMode.SHARED)), 1, 2)
    queue.discard()
    filled(queue, partition(), 3)
    assert len(queue) == 0
    queue.close()
    assert queue.take() is None


def test_who_waits_for_an_announcement_goes_on_when_it_is_made_or_not_wanted() -> None:
    commit_barrier = CommitBarrier()
    assert [commit_barrier.due] == [True]
    commit_barrier.complete(commit_barrier.requested)
    assert [commit_barrier.due] == [False]
    number = commit_barrier.request()
    assert not commit_barrier.wait(number, lambda: False)
    commit_barrier.complete(number)
    assert commit_barrier.wait(number, lambda: False)


def jobs_in_an_hour(*tenants: str) -> Counter[str]:
    """How many of each tenant end on two workers: six-second ones of "good", which end well, small ones of others, which all fail."""
    now, running, offsets = [0.0], list[tuple[float, int, JobTask]](), count()
    queue, owned, whose, ends = (
        TaskQueue(2, SharedIsolation(), clock=lambda: now[0]),
        partition(),
        dict[int, str](),
        Counter[str](),
    )

    def put(tenant: str) -> None:
        offset = next(offsets)
        whose[offset] = tenant
        queue.put(task(owned, offset), SchedulingInfo(tenant, seconds=60.0 if tenant == "good" else 1.0))

    for tenant in tenants:
        for _ in range(20):
            put(tenant)
    while now[0] < 3600:
        while len(running) < 2 and (begun := queue._next()) is not None:
            offset = begun.delivery.offset
            heappush(running, (now[0] + (6.0 if whose[offset] == "good" else 0.2), offset, begun))
        if not running:
            now[0] += 1.0
            continue
        now[0], offset, ended = heappop(running)
        well = whose[offset] == "good"
        ends[whose[offset]] += 1
        queue.done(ended, 60.0 if well else None, failed=not well)
        put(whose[offset])
    return ends


# where so many fail before the first ends well, it looks like an outage until a trial reaches that one
@pytest.mark.parametrize(("many", "share"), [(1, 0.9), (2, 0.9), (5, 0.9), (20, 0.5)])
def test_tenants_whose_jobs_all_fail_stop_nobody_else(many: int, share: float) -> None:
    failing = [f"failing {number}" for number in range(many)]
    assert jobs_in_an_hour("good", *failing)["good"] > share * jobs_in_an_hour("good")["good"]


@pytest.mark.parametrize("many", [1, 2, 3, 4, 100])
def test_while_everything_fails_few_jobs_are_led_up_the_ladder(many: int) -> None:
    ends = jobs_in_an_hour(*(f"failing {number}" for number in range(many)))
    assert ends.total() <= 60 * min(many, 3)
