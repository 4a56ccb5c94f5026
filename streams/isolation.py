"""Isolation: work that runs beside other work, or alone; whoever comes first goes first."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Isolation:
    """The turns of one event loop."""

    def __init__(self) -> None:
        self._beside = 0
        self._alone = False
        self._waiting: deque[tuple[bool, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def turn(self, *, alone: bool) -> AsyncIterator[bool]:
        """Whether it had to be waited for; when `alone`, nothing else has a turn meanwhile."""
        waits = bool(self._waiting) or not self._is_free(alone)
        if waits:
            await self._wait(alone)
        else:
            self._take(alone)
        try:
            yield waits
        finally:
            self._end(alone)

    def _is_free(self, alone: bool) -> bool:
        return not self._alone and not (alone and self._beside)

    def _take(self, alone: bool) -> None:
        self._alone = alone
        self._beside += not alone

    def _end(self, alone: bool) -> None:
        self._beside -= not alone
        self._alone = False if alone else self._alone
        self._admit()

    async def _wait(self, alone: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((alone, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._admit()
            else:  # it was granted at the same moment
                self._end(alone)
            raise

    def _admit(self) -> None:
        while self._waiting:
            alone, turn = self._waiting[0]
            if not turn.done():
                if not self._is_free(alone):
                    return
                self._take(alone)
                turn.set_result(None)
            self._waiting.popleft()
