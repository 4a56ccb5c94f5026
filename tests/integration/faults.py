"""What goes wrong inside a Faust process that looks healthy: put in once its partitions are assigned."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from schemas.errors import Fatal, Outage
from schemas.events import JobRequested
from streams.agents import persist
from streams.kafka.transport import ScribeApp
from streams.runtime.watchdog import WatchdogLimits

LIMITS = WatchdogLimits(fetching=4, committing=4, handling=4, measure=0.5)
SLOW = WatchdogLimits(tick=8, handling=8)  # for machines that stand still now and then
Fault = Callable[[ScribeApp], Callable[..., Awaitable[None]]]


def silent_fetcher(app: ScribeApp) -> Callable[..., Awaitable[None]]:
    """Polls go on and bring nothing: as when partitions are never fetched after a rebalance."""

    async def after(*_: object, **__: object) -> None:
        async def nothing(*_: Any, **__: Any) -> dict[Any, Any]:
            await app.sleep(0.05)
            return {}

        app.watermarks._thread.getmany = nothing  # type: ignore[method-assign]

    return after


def lost_commits(app: ScribeApp) -> Callable[..., Awaitable[None]]:
    """Commits are made and nothing comes of them."""

    async def after(*_: object, **__: object) -> None:
        async def refused(*_: Any, **__: Any) -> bool:
            return False

        app.watermarks._thread.commit = refused  # type: ignore[method-assign]

    return after


def stubborn_handler(app: ScribeApp) -> Callable[..., Awaitable[None]]:
    """A handler that no time limit moves: it swallows every cancellation."""

    async def never(*_: object) -> str:
        while True:
            with suppress(asyncio.CancelledError):
                await app.sleep(3600)

    # now, since an agent takes its handler when it starts
    persist.Persist.requested = never  # type: ignore[method-assign, assignment]
    return none(app)


def deadly_records(app: ScribeApp) -> Callable[..., Awaitable[None]]:
    """Requests that end the process in the way that their recording is called."""
    requested = persist.Persist.requested

    async def perform(self: persist.Persist, event: JobRequested) -> str:
        match event.recording_id:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "fatal":
                raise Fatal("on purpose")
            case "loop":
                time.sleep(3600)
            case "away":
                raise Outage("on purpose")
            case "stubborn":
                while True:
                    with suppress(asyncio.CancelledError):
                        await app.sleep(3600)
        return await requested(self, event)

    persist.Persist.requested = perform  # type: ignore[method-assign]
    return none(app)


def fatal_for_all(app: ScribeApp) -> Callable[..., Awaitable[None]]:
    """What is wrong with the process, and with no record."""

    async def refuse(*_: object) -> str:
        raise Fatal("on purpose")

    persist.Persist.requested = refuse  # type: ignore[method-assign, assignment]
    return none(app)


def none(app: ScribeApp) -> Callable[..., Awaitable[None]]:
    """Nothing goes wrong."""

    async def after(*_: object, **__: object) -> None:
        """Nothing."""

    return after


FAULTS: dict[str, Fault] = {
    "silent-fetcher": silent_fetcher,
    "lost-commits": lost_commits,
    "stubborn-handler": stubborn_handler,
    "deadly-records": deadly_records,
    "fatal-for-all": fatal_for_all,
    "none": none,
}

LIMITS_OF = {"deadly-records": SLOW, "fatal-for-all": SLOW}
