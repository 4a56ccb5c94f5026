"""One question to the database for all answers that wait for something, asked again as long as one of them waits."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from schemas.errors import Outage
from schemas.retries.schedules import OUTAGES
from sink.process.cancellation import set_within

log = logging.getLogger(__name__)


class SharedPoll:
    """Looks at once for whoever begins to wait, and then again and again until nobody waits.

    It polls, since a notification would not come through a proxy that pools transactions, and would cost each commit a lock
    that all of them share.
    """

    def __init__(self, purpose: str, is_wanted: Callable[[], bool]) -> None:
        """`purpose` names in the log what waits while looks fail."""
        self._purpose = purpose
        self._is_wanted = is_wanted
        self._news = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def begin(self, look: Callable[[], Awaitable[float]]) -> bool:
        """Look at once, since somebody has begun to wait; returns whether nobody did before.

        `look` returns the seconds until the next one. Whatever it raises, it is tried again.
        """
        self._news.set()
        if self._looking is not None:
            return False
        self._looking = asyncio.create_task(self._run(look))
        return True

    async def _run(self, look: Callable[[], Awaitable[float]]) -> None:
        try:
            while self._is_wanted():
                self._news.clear()
                try:
                    pause = await look()
                except Outage as error:
                    log.warning("%s wait: %s", self._purpose, error)
                    pause = OUTAGES.first
                except Exception:  # those who wait would do so for nothing
                    log.exception("%s wait, for a look failed", self._purpose)
                    pause = OUTAGES.first
                await set_within(self._news, pause)
        finally:
            self._looking = None
