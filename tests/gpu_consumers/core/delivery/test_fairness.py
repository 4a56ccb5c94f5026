"""Fairness: nothing is lost, everybody gets a share, and nobody is paid for having had nothing to do."""

from collections import Counter
from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.delivery.fairness import (
    LONG_SECONDS,
    FairQueue,
    SchedulingInfo,
    most_long,
    refusal,
    scheduling_info_of,
)
from schemas.events import JobRequested, Priority, Source
from schemas.process.wait_reasons import WaitReason
from schemas.vocabulary.scheduling import MOST_SECONDS, UNKNOWN_SECONDS

TICKETS = st.builds(SchedulingInfo, st.sampled_from("abc"), st.booleans(), st.floats(1, 4_000))


def taken(queue: FairQueue[int]) -> list[tuple[int, SchedulingInfo]]:
    found = []
    while (item := queue.take()) is not None:
        found.append(item)
    return found


@given(st.lists(TICKETS, max_size=60))
def test_everything_comes_out_once_and_each_tenants_own_in_its_order(infos: list[SchedulingInfo]) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, info in enumerate(infos):
        queue.add(number, info)
    assert len(queue) == len(infos)
    found = taken(queue)
    assert sorted(found, key=lambda each: each[0]) == list(enumerate(infos))
    for tenant, express in {(info.tenant, info.express) for info in infos}:
        own = [number for number, t in found if (t.tenant, t.express) == (tenant, express)]
        assert own == sorted(own)


@given(st.lists(TICKETS, max_size=60), st.integers(0, 10))
def test_what_is_kept_stays_in_order_and_the_rest_is_handed_back(infos: list[SchedulingInfo], dropped: int) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, info in enumerate(infos):
        queue.add(number, info)
    gone = queue.keep(lambda number: number % 11 != dropped)
    assert sorted(gone) == [number for number in range(len(infos)) if number % 11 == dropped]
    assert len(queue) == len(infos) - len(gone)
    assert len(taken(queue)) == len(infos) - len(gone)


def test_a_flood_of_one_tenant_does_not_delay_another() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(1_000):
        queue.add(number, SchedulingInfo("flood", seconds=30))
    for number in range(5):
        queue.add(1_000 + number, SchedulingInfo("small", seconds=30))
    first = [info.tenant for _, info in taken(queue)[:11]]
    assert Counter(first)["small"] == 5


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(1, 100)), min_size=200, max_size=200))
def test_tenants_that_always_have_work_get_equal_audio(jobs: list[tuple[str, float]]) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, (_, seconds) in enumerate(jobs):
        for tenant in "ab":
            queue.add(number, SchedulingInfo(tenant, seconds=seconds))
    given_: Counter[str] = Counter()
    for _ in range(200):
        taken_now = queue.take()
        assert taken_now is not None
        given_[taken_now[1].tenant] += int(taken_now[1].seconds * 1000)
        assert abs(given_["a"] - given_["b"]) <= 2 * 100 * 1000


def test_express_has_a_share_and_not_all() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(400):
        queue.add(number, SchedulingInfo("a", express=number % 2 == 0, seconds=10))
    express = sum(info.express for _, info in taken(queue)[:100])
    assert 70 <= express <= 80


def test_who_had_nothing_to_do_has_no_credit() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(100):
        queue.add(number, SchedulingInfo("busy", seconds=10))
    for _ in range(50):
        queue.take()
    for number in range(50):
        queue.add(100 + number, SchedulingInfo("late", seconds=10))
    ten = Counter(info.tenant for _, info in taken(queue)[:10])
    assert ten == {"busy": 5, "late": 5}


def test_a_recording_that_was_longer_than_it_said_is_paid_for() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(20):
        queue.add(number, SchedulingInfo("liar", seconds=1))
        queue.add(number, SchedulingInfo("honest", seconds=10))
    lied = next(info for _, info in iter(queue.take, None) if info.tenant == "liar")
    queue.charge(lied, 100.0 - lied.seconds)
    following = [info.tenant for _, info in taken(queue)[:10]]
    assert following == ["honest"] * 10


def test_a_tenant_may_be_passed_over() -> None:
    queue: FairQueue[int] = FairQueue()
    for number, tenant in enumerate("aab"):
        queue.add(number, SchedulingInfo(tenant))
    assert queue.take(exclude={"a"}) == (2, SchedulingInfo("b"))
    assert queue.take(exclude={"a"}) is None
    assert queue.take() == (0, SchedulingInfo("a"))


def test_long_recordings_leave_a_worker_to_short_ones() -> None:
    assert [most_long(workers) for workers in (1, 2, 8)] == [1, 1, 7]
    queue: FairQueue[str] = FairQueue()
    queue.add("long", SchedulingInfo("a", seconds=LONG_SECONDS))
    queue.add("short", SchedulingInfo("a", seconds=5))
    assert queue.take(allow_long=False) == ("short", SchedulingInfo("a", seconds=5))
    assert queue.take(allow_long=False) is None
    assert queue.take() == ("long", SchedulingInfo("a", seconds=LONG_SECONDS))


def test_scheduling_info_tells_the_length_as_well_as_it_can() -> None:
    def seconds(size: int | None) -> float:
        source = Source(uri="https://example.org/a", size_bytes=size)
        request = JobRequested(
            job_id=uuid4(), tenant="t", source=source, requested_at=datetime.now(UTC), priority=Priority.EXPRESS
        )
        info = scheduling_info_of(request, request)
        assert (info.tenant, info.express) == ("t", True)
        return info.seconds

    assert [seconds(size) for size in (None, 0, 1_600_000, 10**15)] == [UNKNOWN_SECONDS, 1.0, 100.0, MOST_SECONDS]


@given(st.lists(TICKETS, max_size=50))
def test_what_waits_can_be_seen_without_being_taken(tickets: list[SchedulingInfo]) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, ticket in enumerate(tickets):
        queue.add(number, ticket)
    assert sorted(queue, key=lambda each: each[0]) == list(enumerate(tickets))
    assert len(queue) == len(tickets)


def test_only_a_long_recording_waits_for_long_ones() -> None:
    long, short = SchedulingInfo(seconds=LONG_SECONDS), SchedulingInfo()
    assert [refusal(ticket, True) for ticket in (long, short)] == [WaitReason.TURN] * 2
    assert [refusal(ticket, False) for ticket in (long, short)] == [WaitReason.LONG_RECORDINGS, WaitReason.TURN]
