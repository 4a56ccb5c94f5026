"""Cancellations that arrive in the moment in which something is granted, on a real pool: none is lost, none leaks a connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import stamina

from schemas.errors import Outage
from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Connection, Database
from sink.process.cancellation import (
    cancel_until_done,
    run_to_end,
    set_within,
    side_by_side,
    unswallowed,
    until_stopped,
)

pytestmark = pytest.mark.anyio
STEPS = range(7)
"""Of the event loop, between the grant of a connection and the cancellation."""
PATIENCE = 60.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    settings = PostgresSettings.model_validate({"postgres_dsn": database, "postgres_pool_size": 1})
    async with Database.open(settings) as opened:
        yield opened


@asynccontextmanager
async def granted(db: Database, steps: int) -> AsyncIterator[None]:
    """The only connection is taken by others until the end, and is granted so many steps before it."""
    connection = await db._pool.getconn()
    try:
        yield
        while not db._pool._waiting:
            await asyncio.sleep(0)
    finally:
        await db._pool.putconn(connection)
    for _ in range(steps):
        await asyncio.sleep(0)


async def works(db: Database) -> bool:
    """Whether the pool still has its connection."""
    async with db.connection() as connection:
        return (await connection.execute("SELECT 1")).rowcount == 1


async def ends(task: "asyncio.Task[object]") -> bool:
    """Whether a task ends without being cancelled again."""
    done, _ = await asyncio.wait({task}, timeout=PATIENCE)
    return bool(done)


async def _transaction(db: Database) -> None:
    async with db.transaction():
        await asyncio.sleep(PATIENCE * 2)


async def _as_tenant(db: Database) -> None:
    async with db.as_tenant("acme"):
        await asyncio.sleep(PATIENCE * 2)


async def _call(db: Database) -> None:
    """As the shim's requests, which sleep on when the cancellation is lost."""
    await db.call("SELECT 1", {})
    await asyncio.sleep(PATIENCE * 2)


async def _run(db: Database) -> None:
    async def work(_: Connection) -> None:
        await asyncio.sleep(PATIENCE * 2)

    await db.run(work)


async def _run_when_back(db: Database) -> None:
    async def work(_: Connection) -> None:
        raise Outage("it stays away")

    await db.run_when_back(work, PATIENCE * 2)


async def _polling(db: Database) -> None:
    """As a loop that looks, and then sleeps for long."""
    while True:
        with suppress(Outage):
            async with db.connection():
                pass
        await asyncio.sleep(PATIENCE * 2)


async def _in_a_group(db: Database) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_transaction(db))


async def _waited_for(db: Database) -> None:
    await asyncio.wait_for(_transaction(db), PATIENCE * 2)


LOOPS = [_transaction, _as_tenant, _call, _run, _run_when_back, _polling, _in_a_group, _waited_for]


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
async def test_a_cancellation_in_the_moment_of_the_grant_arrives(
    db: Database, loop: Callable[[Database], Awaitable[None]]
) -> None:
    for steps in STEPS:
        async with granted(db, steps):
            task = asyncio.ensure_future(loop(db))
        task.cancel()
        assert await ends(task), f"{steps} steps after the grant"
        assert task.cancelled()
        assert await works(db)


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
async def test_an_expiry_in_the_moment_of_the_grant_arrives(
    db: Database, loop: Callable[[Database], Awaitable[None]]
) -> None:
    async def limited(limits: "list[asyncio.Timeout]") -> str:
        try:
            async with asyncio.timeout(None) as limit:
                limits.append(limit)
                await loop(db)
        except TimeoutError:
            await asyncio.sleep(0)  # nothing of the cancellation is left
            return "timeout"
        return "no timeout"

    for steps in STEPS:
        limits: list[asyncio.Timeout] = []
        async with granted(db, steps):
            task = asyncio.create_task(limited(limits))
        limits[0].reschedule(asyncio.get_running_loop().time())
        assert await ends(task), f"{steps} steps after the grant"
        assert task.result() == "timeout"
        assert await works(db)


async def test_a_neighbour_that_fails_in_the_moment_of_the_grant_ends_its_group(db: Database) -> None:
    """The group cancels the task that waits in it, and raises what the neighbour raised."""

    async def grouped(fail: asyncio.Event) -> None:
        async def neighbour() -> None:
            await fail.wait()
            raise ValueError("on purpose")

        async with asyncio.TaskGroup() as group:
            group.create_task(neighbour())
            await _transaction(db)

    for steps in STEPS:
        fail = asyncio.Event()
        async with granted(db, steps):
            task = asyncio.create_task(grouped(fail))
        fail.set()
        assert await ends(task), f"{steps} steps after the grant"
        assert isinstance(task.exception(), ExceptionGroup)
        assert await works(db)


async def test_a_retry_passes_the_cancellation_on_and_does_not_begin_anew(db: Database) -> None:
    begun = 0

    async def tried() -> None:
        nonlocal begun
        async for attempt in stamina.retry_context(on=Exception, attempts=5, wait_initial=0.01):
            with attempt:
                begun += 1
                async with db.transaction():
                    await asyncio.sleep(PATIENCE * 2)

    for steps in STEPS:
        begun = 0
        async with granted(db, steps):
            task = asyncio.create_task(tried())
        task.cancel()
        assert await ends(task)
        assert (task.cancelled(), begun) == (True, 1)


async def test_a_timeout_within_that_is_over_is_no_cancellation() -> None:
    with unswallowed():
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.sleep(PATIENCE)
        async with asyncio.timeout(0.001) as swallowed:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(PATIENCE)
    assert swallowed.expired()


async def test_what_was_swallowed_is_raised_in_place_of_the_error_that_came_of_it() -> None:
    async def swallowing() -> None:
        with unswallowed():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(PATIENCE)
            raise Outage("no connection is free")

    task = asyncio.create_task(swallowing())
    await asyncio.sleep(0)
    task.cancel()
    assert await ends(task)
    assert task.cancelled()


async def stubborn(times: int) -> str:
    """Swallows so many cancellations."""
    for _ in range(times):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(PATIENCE * 2)
    return "ended"


async def test_a_task_that_swallows_cancellations_is_cancelled_until_it_is_done() -> None:
    async def failing() -> None:
        try:
            await stubborn(1)
        finally:
            raise ValueError("at its end")

    tasks = [asyncio.create_task(stubborn(2)), asyncio.create_task(failing()), asyncio.create_task(asyncio.sleep(0))]
    await asyncio.sleep(0.01)
    await cancel_until_done(*tasks)
    assert all(task.done() for task in tasks)


async def test_who_waits_for_the_end_of_others_is_cancelled_after_it() -> None:
    other = asyncio.create_task(stubborn(2))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(cancel_until_done(other))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await ends(waiting)
    assert (waiting.cancelled(), other.result()) == (True, "ended")


async def test_work_that_must_end_is_not_reached_by_cancellations() -> None:
    go_on, ended = asyncio.Event(), []

    async def work() -> None:
        await go_on.wait()
        ended.append(True)

    task = asyncio.create_task(run_to_end(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    assert await ends(task)
    assert (task.cancelled(), ended) == (True, [True])


@pytest.mark.parametrize("times", [1, 3])
async def test_work_that_does_not_look_at_the_stop_is_cancelled_by_it(times: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, stop.set)
    async with asyncio.timeout(PATIENCE):
        assert await until_stopped(stop, stubborn(times), grace_seconds=0.01) is None


async def test_work_has_its_time_after_the_stop_and_its_answer_is_given() -> None:
    stop = asyncio.Event()

    async def work() -> str:
        await stop.wait()
        await asyncio.sleep(0.01)
        return "in order"

    asyncio.get_running_loop().call_later(0.01, stop.set)
    assert await until_stopped(stop, work(), grace_seconds=PATIENCE) == "in order"
    assert await until_stopped(asyncio.Event(), stubborn(0)) == "ended"
    with pytest.raises(Outage):
        await until_stopped(asyncio.Event(), _failing())


async def _failing() -> None:
    raise Outage("on purpose")


async def test_one_that_breaks_tells_the_others_to_stop_and_is_heard_of() -> None:
    stop, drained = asyncio.Event(), []

    async def other() -> None:
        await stop.wait()
        drained.append(True)

    with pytest.raises(Outage):
        await side_by_side(stop, other(), _failing())
    assert drained == [True]


async def test_a_wait_ends_with_its_event_or_its_time() -> None:
    event = asyncio.Event()
    assert not await set_within(event, 0.001)
    asyncio.get_running_loop().call_later(0.01, event.set)
    assert await set_within(event, PATIENCE)
