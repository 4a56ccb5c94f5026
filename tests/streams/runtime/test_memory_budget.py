"""Bytes in work never exceed the budget, and everything gets its turn."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.memory_budget import MemoryBudget


@given(st.lists(st.integers(0, 150), max_size=30))
def test_everything_gets_its_turn_and_never_too_much_at_once(sizes: list[int]) -> None:
    async def run() -> list[int]:
        budget, held, peaks = MemoryBudget(100), [0], [0]

        async def work(size: int) -> None:
            async with budget.taken(size):
                held[0] += min(size, 100)
                peaks.append(held[0])
                await asyncio.sleep(0)
                held[0] -= min(size, 100)

        await asyncio.gather(*map(work, sizes))
        return peaks

    assert max(asyncio.run(run())) <= 100


def test_who_gives_up_waiting_holds_nothing() -> None:
    async def run() -> None:
        budget = MemoryBudget(100)
        async with budget.taken(100):
            waiting = asyncio.create_task(budget.taken(60).__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
        async with asyncio.timeout(5), budget.taken(100):
            pass

    asyncio.run(run())


def test_what_is_large_has_its_turn_although_small_ones_come_without_end() -> None:
    async def run() -> None:
        budget = MemoryBudget(100)
        large = asyncio.Event()

        async def small() -> None:
            while not large.is_set():
                async with budget.taken(10):
                    await asyncio.sleep(0)

        async def all_of_it() -> None:
            async with budget.taken(1000):
                large.set()

        async with asyncio.timeout(30):
            await asyncio.gather(small(), small(), small(), all_of_it())

    asyncio.run(run())


def test_who_gives_up_waiting_lets_those_behind_it_in() -> None:
    async def run() -> None:
        budget = MemoryBudget(100)
        async with asyncio.timeout(30), budget.taken(50):
            large = asyncio.create_task(budget.taken(100).__aenter__())
            await asyncio.sleep(0)
            small = asyncio.create_task(budget.taken(50).__aenter__())
            await asyncio.sleep(0)
            assert not small.done()
            large.cancel()
            await small

    asyncio.run(run())


def test_who_is_cancelled_when_its_turn_has_just_come_holds_nothing() -> None:
    async def run() -> None:
        budget = MemoryBudget(100)
        async with budget.taken(100):
            waiting = asyncio.create_task(budget.taken(100).__aenter__())
            await asyncio.sleep(0)
        waiting.cancel()
        async with asyncio.timeout(30), budget.taken(100):
            assert waiting.cancelled()

    asyncio.run(run())
