"""Reliable cancellation and waiting for tasks to end, without depending on a single `cancel()`.

On Python 3.11 `asyncio.wait_for` swallows a cancellation that comes in the moment in which what it waits for is there
(CPython gh-86296), and psycopg's pool waits by it. The expiry of an `asyncio.timeout` is such a cancellation too.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
AGAIN_SECONDS = 1.0  # long enough for a statement to be cancelled on its server, and its connection to be given back


@contextmanager
def unswallowed() -> Iterator[Callable[[], None]]:
    """Re-raise at the end of the block a cancellation that was swallowed inside; the yielded check does so earlier.

    Cancellations that the code inside handled itself, such as that of an expired timeout, do not count.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0

    def check() -> None:
        # a context may be left by another task than the one that entered it
        if task is not None and task is asyncio.current_task() and task.cancelling() > before:
            raise asyncio.CancelledError

    try:
        yield check
    except Exception:  # whatever it is, a cancellation goes before it
        check()
        raise
    check()


async def cancel_until_done(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks repeatedly until each is done, even if it swallows cancellations; their results are ignored.

    A cancellation of the caller meanwhile is raised when all are done.
    """
    cancelled = False
    while pending := {task for task in tasks if not task.done()}:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=AGAIN_SECONDS)
        except asyncio.CancelledError:
            cancelled = True
    for task in tasks:
        if not task.cancelled():
            task.exception()  # asked for, or the loop says that nobody did
    if cancelled:
        raise asyncio.CancelledError


async def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, shielded from cancellations, which are raised after it has ended."""
    task = asyncio.create_task(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        await cancel_until_done(task)
        raise asyncio.CancelledError
    return task.result()


async def until_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T], grace_seconds: float = 0) -> T | None:
    """The result of `work`, or None when `stop` is set before it ends.

    After `stop`, `work` has `grace_seconds` to end by itself, and is then cancelled until it is done.
    """
    task, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() and grace_seconds:
            await asyncio.wait({task}, timeout=grace_seconds)
            if not task.done():
                log.warning("cancelled, since it did not end within %g s: %s", grace_seconds, task.get_coro())
        return task.result() if task.done() else None
    finally:
        await cancel_until_done(task, stopping)


async def side_by_side(stop: asyncio.Event, *work: Coroutine[Any, Any, None]) -> None:
    """Run coroutines concurrently until all end; when one fails the others are stopped, and its error is raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        stop.set()
        await asyncio.wait(tasks)
    finally:
        await cancel_until_done(*tasks)
    for task in tasks:
        task.result()


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event for at most so many seconds; returns whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
    return event.is_set()
