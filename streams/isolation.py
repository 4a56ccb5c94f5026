"""Isolation: work that runs beside other work, or alone for a while; whoever comes first goes first."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LONGEST_ALONE = 10.0  # seconds: what hangs must not hold up everybody until its process is ended


class Isolation:
    """The turns of one event loop."""

    def __init__(self) -> None:
        self._beside = 0
        self._alone = False
        self._waiting: deque[tuple[bool, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def turn(self, *, alone: bool, longest: float = LONGEST_ALONE) -> AsyncIterator[bool]:
        """Whether it had to be waited for; when `alone`, nothing else has a turn for the `longest` seconds."""
        waits = bool(self._waiting) or not self._is_free(alone)
        if waits:
            await self._wait(alone)
        else:
            self._take(alone)
        lifting = asyncio.get_running_loop().call_later(longest, self._lift) if alone else None
        try:
            yield waits
        finally:
            if lifting is not None:
                lifting.cancel()
            self._end(alone and self._alone)

    def _lift(self) -> None:
        """Let others in beside whoever is alone."""
        self._alone, self._beside = False, self._beside + 1
        self._admit()

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
