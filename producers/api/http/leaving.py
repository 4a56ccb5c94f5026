"""Work for a client that may leave meanwhile, and then needs it no more."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from sink.process.cancellation import cancel_until_done

T = TypeVar("T")
LEFT = 499  # for metrics: nobody sees the answer of a client that has left


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`, None where the client leaves before: then `work` is cancelled, and frees what it holds."""
    task, leaving = asyncio.create_task(work), asyncio.create_task(_left(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await cancel_until_done(task, leaving)


async def _left(request: Request) -> None:
    """Wait until the client of a request that was read to its end has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
