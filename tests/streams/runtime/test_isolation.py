"""Turns: beside each other or alone, in the order in which they were asked for."""

import asyncio
import random

import pytest

from streams.runtime.isolation import SharedExclusiveLock


@pytest.mark.parametrize("seed", range(20))
def test_who_is_alone_is_alone_and_everybody_has_a_turn(seed: int) -> None:
    """Also when some of those who wait are cancelled."""
    chance = random.Random(seed)
    inside: list[bool] = []
    ended = 0

    async def one(isolation: SharedExclusiveLock, exclusive: bool) -> None:
        nonlocal ended
        async with isolation.turn(exclusive=exclusive):
            inside.append(exclusive)
            assert len(inside) == 1 or not any(inside)
            try:
                for _ in range(chance.randrange(3)):
                    await asyncio.sleep(0)
                ended += 1
            finally:
                inside.remove(exclusive)

    async def main() -> None:
        isolation = SharedExclusiveLock()
        tasks = [asyncio.create_task(one(isolation, chance.random() < 0.3)) for _ in range(50)]
        cancelled = chance.sample(tasks, 10)
        for _ in range(chance.randrange(5)):
            await asyncio.sleep(0)
        for task in cancelled:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(30), isolation.turn(exclusive=True) as waited:
            assert not waited
        assert ended >= 40

    asyncio.run(main())


def test_the_order_is_that_of_asking() -> None:
    order: list[int] = []

    async def one(isolation: SharedExclusiveLock, number: int, exclusive: bool) -> None:
        async with isolation.turn(exclusive=exclusive):
            order.append(number)
            await asyncio.sleep(0)

    async def main() -> None:
        isolation = SharedExclusiveLock()
        kinds = [False, True, False, False, True, True, False]
        await asyncio.gather(*(one(isolation, number, exclusive) for number, exclusive in enumerate(kinds)))

    asyncio.run(main())
    assert order == list(range(7))


def test_who_hangs_alone_does_not_hold_up_others_for_ever() -> None:
    async def main() -> None:
        isolation = SharedExclusiveLock()
        async with isolation.turn(exclusive=True, longest=0.01):
            async with asyncio.timeout(30), isolation.turn(exclusive=False) as waited:
                assert waited
            third = asyncio.create_task(exclusive(isolation))
            await asyncio.sleep(0)
            assert not third.done()
        async with asyncio.timeout(30):
            await third

    async def exclusive(isolation: SharedExclusiveLock) -> None:
        async with isolation.turn(exclusive=True):
            await asyncio.sleep(0)

    asyncio.run(main())


def test_who_hangs_alone_holds_up_those_who_want_to_be_alone_and_no_others() -> None:
    """Those who come later as well as those who wait already."""
    order: list[str] = []

    async def one(isolation: SharedExclusiveLock, name: str, exclusive: bool) -> None:
        async with isolation.turn(exclusive=exclusive):
            order.append(name)
            await asyncio.sleep(0)

    async def main() -> None:
        isolation = SharedExclusiveLock()
        async with isolation.turn(exclusive=True, longest=0.01), asyncio.timeout(30):
            suspect = asyncio.create_task(one(isolation, "suspect", True))
            await one(isolation, "waited", False)
            await one(isolation, "came later", False)
            second = asyncio.create_task(one(isolation, "second suspect", True))
            await one(isolation, "came last", False)
        last = asyncio.create_task(one(isolation, "after it", False))
        async with asyncio.timeout(30):
            await asyncio.gather(suspect, second, last)

    asyncio.run(main())
    assert order == ["waited", "came later", "came last", "suspect", "second suspect", "after it"]
