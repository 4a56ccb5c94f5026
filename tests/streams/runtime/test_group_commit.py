"""Groups: which items go together, when they go, and that each caller gets the answer for its own."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Outage, Permanent
from streams.runtime.event_loop import HANDLER_SECONDS
from streams.runtime.group_commit import GroupCommit, GroupLimits, is_due, next_group

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Item:
    key: int
    size: int


ITEMS = st.lists(st.builds(Item, key=st.integers(0, 5), size=st.integers(0, 50)), min_size=1, max_size=40)
LIMITS = st.builds(GroupLimits, items=st.integers(1, 10), size=st.integers(1, 100), running=st.integers(1, 3))


@given(ITEMS, LIMITS)
def test_a_group_keeps_its_limits_and_a_large_item_goes_alone(items: list[Item], limits: GroupLimits) -> None:
    group, _ = next_group(items, limits)
    assert group[0] is items[0]
    assert len(group) <= limits.items
    assert len(group) == 1 or sum(item.size for item in group) <= limits.size
    assert len({item.key for item in group}) == len(group)


@given(ITEMS, LIMITS)
def test_group_after_group_every_item_goes_once_and_in_order_of_its_key(items: list[Item], limits: GroupLimits) -> None:
    gone: list[Item] = []
    rest = items
    while rest:
        group, rest = next_group(rest, limits)
        gone += group
    assert sorted(map(id, gone)) == sorted(map(id, items))
    for key in {item.key for item in items}:
        assert [id(item) for item in gone if item.key == key] == [id(item) for item in items if item.key == key]


@given(st.integers(0, 100), st.integers(0, 200), st.integers(0, 4), st.floats(0, 1), LIMITS)
def test_nothing_waits_beyond_the_linger_for_a_free_place(
    items: int, size: int, running: int, waited: float, limits: GroupLimits
) -> None:
    due = is_due(items, size, running, waited, limits)
    if items and not running:
        assert due
    if items and running < limits.running and waited >= limits.linger:
        assert due
    if not items or running >= limits.running:
        assert not due


class Work:
    """Answers each number with its double; `guilty` spoils a group, `odd` only its own answer; may be held up."""

    def __init__(self, *, guilty: int | None = None, odd: int | None = None, away: bool = False) -> None:
        self.groups: list[list[int]] = []
        self._guilty, self._odd, self._away = guilty, odd, away
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(numbers))
        await self.go_on.wait()
        if self._away:
            raise Outage("away")
        if self._guilty in numbers:
            raise ValueError("no such number")
        return [Permanent("internal", "odd") if n == self._odd else 2 * n for n in numbers]


def collector(work: Work, **limits: float) -> GroupCommit[int, int]:
    return GroupCommit("tests", work, key=lambda n: n, limits=GroupLimits(**limits))  # type: ignore[arg-type]


async def all_of(collector: GroupCommit[int, int], numbers: Sequence[int]) -> list[int | BaseException]:
    return await asyncio.gather(*map(collector.add, numbers), return_exceptions=True)


async def test_concurrent_callers_share_groups() -> None:
    work = Work()
    assert await all_of(collector(work, items=4, running=1), range(10)) == [2 * n for n in range(10)]
    assert work.groups == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_large_items_run_one_at_a_time_and_small_ones_go_past_them() -> None:
    work = Work()
    work.go_on.clear()
    group = GroupCommit("tests", work, key=lambda n: n, size=lambda n: n, limits=GroupLimits(size=50, running=2))
    callers = [asyncio.create_task(group.add(n)) for n in (100, 200, 1, 2)]
    while len(work.groups) < 2:
        await asyncio.sleep(0.001)
    assert work.groups == [[100], [1, 2]]
    work.go_on.set()
    assert await asyncio.gather(*callers) == [200, 400, 2, 4]


async def test_the_same_key_goes_into_the_next_group() -> None:
    work = Work()
    assert await all_of(collector(work), [1, 1, 2, 1]) == [2, 2, 4, 2]
    assert work.groups == [[1, 2], [1], [1]]


async def test_a_guilty_item_is_found_by_trying_each_alone() -> None:
    work = Work(guilty=1)
    first, second, third = await all_of(collector(work), [0, 1, 2])
    assert (first, third) == (0, 4)
    assert isinstance(second, ValueError)
    assert work.groups == [[0, 1, 2], [0], [1], [2]]


async def test_an_item_that_fails_on_its_own_does_not_spoil_its_group() -> None:
    work = Work(odd=1)
    first, second, third = await all_of(collector(work), [0, 1, 2])
    assert (first, third) == (0, 4)
    assert isinstance(second, Permanent)
    assert work.groups == [[0, 1, 2]]


async def test_an_outage_is_told_to_every_caller_and_nothing_is_tried_alone() -> None:
    work = Work(away=True)
    assert [type(answer) for answer in await all_of(collector(work), [0, 1, 2])] == [Outage] * 3
    assert work.groups == [[0, 1, 2]]


async def test_a_group_that_does_not_end_is_an_outage() -> None:
    work = Work()
    work.go_on.clear()
    assert [type(answer) for answer in await all_of(collector(work, seconds=0.01), [0, 1])] == [Outage] * 2


async def test_a_caller_that_goes_away_disturbs_nobody() -> None:
    """Its partition is revoked or the process ends while its group runs or waits."""
    work = Work()
    work.go_on.clear()
    group = collector(work, items=2, running=1)
    callers = [asyncio.create_task(group.add(n)) for n in range(4)]
    while not work.groups:
        await asyncio.sleep(0)
    callers[0].cancel()
    callers[2].cancel()
    await asyncio.sleep(0)
    work.go_on.set()
    assert [await callers[1], await callers[3]] == [2, 6]
    assert work.groups == [[0, 1], [3]]


def test_a_group_ends_before_its_callers_give_up() -> None:
    assert GroupLimits().seconds < HANDLER_SECONDS


async def test_no_item_runs_beside_another_of_its_key() -> None:
    """Though there is a free place: of two results of one job the second must see what the first has done."""
    work = Work()
    work.go_on.clear()
    group = GroupCommit("tests", work, key=lambda n: n % 10, limits=GroupLimits(running=2, linger=0))
    callers = [asyncio.create_task(group.add(n)) for n in (1, 2)]
    while not work.groups:
        await asyncio.sleep(0.001)
    callers += [asyncio.create_task(group.add(n)) for n in (11, 3)]
    while len(work.groups) < 2:
        await asyncio.sleep(0.001)
    assert work.groups == [[1, 2], [3]]
    work.go_on.set()
    assert await asyncio.gather(*callers) == [2, 4, 22, 6]
    assert work.groups == [[1, 2], [3], [11]]
