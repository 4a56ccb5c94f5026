"""Isolation: tasks run side by side, or one exclusively for a while; first come, first served."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LONGEST_ALONE = 10.0  # seconds: what hangs must not hold up everybody until its process is ended


class SharedExclusiveLock:
    """Shared and exclusive turns in one event loop."""

    def __init__(self) -> None:
        self._beside = 0
        self._alone = False
        self._lifted = 0  # of those beside, who were to be alone and took too long
        self._waiting: deque[tuple[bool, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> tuple[int, int]:
        """The number of waiters for an exclusive turn, and for a shared one."""
        alone = [each for each, _ in tuple(self._waiting)]
        return sum(alone), len(alone) - sum(alone)

    @asynccontextmanager
    async def turn(self, *, alone: bool, longest: float = LONGEST_ALONE) -> AsyncIterator[bool]:
        """Take a turn, and yield whether it had to wait; `alone`: exclusive for at most `longest` seconds.

        After `longest` seconds others run beside it, and until it ends no new exclusive turn begins; shared ones
        overtake those that wait for one.
        """
        waits = not self._is_free(alone) or any(self._is_before(one, alone) for one, _ in self._waiting)
        if waits:
            await self._wait(alone)
        else:
            self._take(alone)
        lifted: list[bool] = []
        lifting = asyncio.get_running_loop().call_later(longest, self._lift, lifted) if alone else None
        try:
            yield waits
        finally:
            if lifting is not None:
                lifting.cancel()
            self._lifted -= len(lifted)
            self._end(alone and not lifted)

    def _lift(self, lifted: list[bool]) -> None:
        """Admit others beside the exclusive turn."""
        lifted.append(True)
        self._alone, self._beside, self._lifted = False, self._beside + 1, self._lifted + 1
        self._admit()

    def _is_free(self, alone: bool) -> bool:
        return not self._alone and not (alone and self._beside)

    def _is_before(self, waiting: bool, alone: bool) -> bool:
        """Whether a waiter must have its turn before another that came later."""
        return alone or not waiting or not self._lifted

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
        passed: deque[tuple[bool, asyncio.Future[None]]] = deque()
        while self._waiting:
            alone, turn = self._waiting.popleft()
            if turn.done():
                continue
            if self._is_free(alone):
                self._take(alone)
                turn.set_result(None)
                continue
            passed.append((alone, turn))
            if not self._lifted:
                break
        self._waiting = passed + self._waiting
