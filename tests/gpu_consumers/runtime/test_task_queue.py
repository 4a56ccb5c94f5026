"""The queue of a group: suspects first and alone in the process, then whoever is next, and nothing of a lost partition."""

from collections import Counter
from heapq import heappop, heappush
from itertools import count
from threading import Thread

import pytest

from gpu_consumers.core.delivery.crash_suspects import Begun, Mark, Marks, Starts
from gpu_consumers.core.delivery.fairness import LONG_SECONDS, Ticket
from gpu_consumers.core.delivery.isolation import ALONE_SECONDS
from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position
from gpu_consumers.kafka.commit_barrier import Announcements
from gpu_consumers.kafka.partitions import OwnedPartition
from gpu_consumers.runtime.executor import Task
from gpu_consumers.runtime.task_queue import SharedRoom, TaskQueue


def partition(*marks: Mark) -> OwnedPartition:
    return OwnedPartition("jobs", 0, PartitionOffsets(Position(0)), None, None, Starts(Marks(bool(marks), marks)))


def task(of: OwnedPartition, offset: int) -> Task:
    return Task(Delivery("jobs", 0, offset, None, None), of)


def filled(queue: TaskQueue, of: OwnedPartition, *offsets: int) -> list[Task]:
    tasks = [task(of, offset) for offset in offsets]
    for each in tasks:
        queue.put(each, Ticket())
    return tasks


def begun(of: OwnedPartition) -> dict[int, Begun]:
    return {mark.offset: mark.begun for mark in of.starts.marks().begun}


def test_a_suspect_goes_first_and_alone_in_the_whole_process() -> None:
    shared, owned = SharedRoom(), partition(Mark(7, Begun.BESIDE))
    mine, other = TaskQueue(2, shared), TaskQueue(2, shared)
    innocent, suspect = filled(mine, owned, 3, 7)
    [neighbour] = filled(other, partition(), 1)
    assert mine.take() is suspect
    assert begun(owned) == {7: Begun.ALONE}
    waiting = Thread(target=lambda: found.append(other.take()))
    found: list[Task | None] = []
    waiting.start()
    waiting.join(0.2)
    assert not found
    mine.done(suspect)
    waiting.join(60)
    assert found == [neighbour]
    assert mine.take() is innocent


def test_what_was_queued_of_a_lost_partition_is_not_charged_to_its_tenant() -> None:
    queue, lost, kept = TaskQueue(1, SharedRoom(), clock=lambda: 0.0), partition(), partition()
    filled(queue, lost, *range(50))
    [mine] = filled(queue, kept, 100)
    theirs = [task(kept, 200), task(kept, 201)]
    for each in theirs:
        queue.put(each, Ticket("another"))
    lost.owned = False
    assert worked(queue, 3).index(mine.delivery.offset) < 2


def test_work_that_was_never_done_is_not_charged() -> None:
    queue, owned = TaskQueue(1, SharedRoom(), clock=lambda: 0.0), partition()
    for offset in range(5):  # long recordings that are cancelled before they begin
        queue.put(task(owned, offset), Ticket("acme", express=True, seconds=LONG_SECONDS))
    worked(queue, 5)
    short, other = task(owned, 5), task(owned, 6)
    queue.put(other, Ticket("globex", seconds=60.0))
    queue.put(task(owned, 7), Ticket("globex", seconds=60.0))
    queue.put(short, Ticket("acme", express=True, seconds=60.0))
    assert short.delivery.offset in worked(queue, 2)


def test_a_suspect_that_ends_without_work_earns_its_tenant_nothing() -> None:
    queue, owned = TaskQueue(1, SharedRoom(), clock=lambda: 0.0), partition(Mark(0, Begun.ALONE, 1))
    queue.put(task(owned, 0), Ticket("acme", seconds=36_000.0))
    condemned = queue.take()
    for offset in range(1, 9):
        queue.put(task(owned, offset), Ticket("acme" if offset < 5 else "globex", seconds=600.0))
    assert condemned is not None
    queue.done(condemned)
    order = "".join("a" if offset < 5 else "g" for offset in worked(queue, 8, audio=600.0))
    assert order in ("agagagag", "gagagaga")


def test_failures_that_hold_a_worker_are_charged_as_if_they_were_none() -> None:
    now = [0.0]
    queue, owned = TaskQueue(1, SharedRoom(), clock=lambda: now[0]), partition()
    for offset in range(20):
        queue.put(task(owned, offset), Ticket("acme" if offset < 10 else "globex", seconds=60.0))
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
    queue, owned = TaskQueue(2, SharedRoom()), partition(Mark(7, Begun.ALONE, 1))
    running, condemned = task(partition(), 1), task(owned, 7)
    queue.put(running, Ticket())
    assert queue.take() is running
    queue.put(condemned, Ticket())
    assert queue.take() is condemned
    assert begun(owned) == {7: Begun.NOT}


def test_a_suspect_that_lives_long_lets_others_begin_and_its_death_would_count_little() -> None:
    now = [0.0]
    queue, owned = TaskQueue(2, SharedRoom(), clock=lambda: now[0]), partition(Mark(7, Begun.BESIDE))
    innocent, suspect = filled(queue, owned, 3, 7)
    assert queue.take() is suspect
    now[0] = ALONE_SECONDS
    assert queue.take() is innocent
    assert begun(owned) == {7: Begun.OPENED, 3: Begun.BESIDE}


def test_what_belongs_to_a_lost_partition_is_never_begun() -> None:
    queue, lost, kept = TaskQueue(2, SharedRoom()), partition(Mark(2, Begun.BESIDE)), partition()
    filled(queue, lost, 1, 2)
    [own] = filled(queue, kept, 5)
    lost.owned = False
    assert queue.take() is own
    assert begun(lost) == {2: Begun.NOT}


def test_long_recordings_leave_a_worker_free() -> None:
    queue, owned = TaskQueue(2, SharedRoom()), partition()
    first, second, short = (task(owned, offset) for offset in range(3))
    queue.put(first, Ticket(seconds=LONG_SECONDS))
    queue.put(second, Ticket(seconds=LONG_SECONDS))
    queue.put(short, Ticket(seconds=5))
    assert [queue.take(), queue.take()] == [first, short]
    queue.done(short)
    queue.done(first, LONG_SECONDS)
    assert queue.take() is second


def test_nothing_comes_after_it_was_discarded_and_a_closed_queue_lets_everybody_go() -> None:
    queue = TaskQueue(1, SharedRoom())
    filled(queue, partition(Mark(2, Begun.BESIDE)), 1, 2)
    queue.discard()
    filled(queue, partition(), 3)
    assert len(queue) == 0
    queue.close()
    assert queue.take() is None


def test_who_waits_for_an_announcement_goes_on_when_it_is_made_or_not_wanted() -> None:
    announcements = Announcements()
    assert [announcements.due] == [True]
    announcements.tell(announcements.asked)
    assert [announcements.due] == [False]
    number = announcements.ask()
    assert not announcements.wait(number, lambda: False)
    announcements.tell(number)
    assert announcements.wait(number, lambda: False)


def jobs_in_an_hour(*tenants: str) -> Counter[str]:
    """How many of each tenant end on two workers: six-second ones of "good", which end well, small ones of others, which all fail."""
    now, running, offsets = [0.0], list[tuple[float, int, Task]](), count()
    queue, owned, whose, ends = (
        TaskQueue(2, SharedRoom(), clock=lambda: now[0]),
        partition(),
        dict[int, str](),
        Counter[str](),
    )

    def put(tenant: str) -> None:
        offset = next(offsets)
        whose[offset] = tenant
        queue.put(task(owned, offset), Ticket(tenant, seconds=60.0 if tenant == "good" else 1.0))

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
