"""Isolation: tasks run side by side, or one exclusively for a while; first come, first served."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

EXCLUSIVE_SECONDS = 10.0  # seconds: what hangs must not hold up everybody until its process is ended


class SharedExclusiveLock:
    """Shared and exclusive turns in one event loop."""

    def __init__(self) -> None:
        self._shared = 0
        self._exclusive = False
        self._lifted = 0  # of those beside, who were to be alone and took too long
        self._waiting: deque[tuple[bool, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> tuple[int, int]:
        """The number of waiters for an exclusive turn, and for a shared one."""
        exclusive = [each for each, _ in tuple(self._waiting)]
        return sum(exclusive), len(exclusive) - sum(exclusive)

    @asynccontextmanager
    async def turn(self, *, exclusive: bool, longest: float = EXCLUSIVE_SECONDS) -> AsyncIterator[bool]:
        """Take a turn, and yield whether it had to wait; `exclusive`: exclusive for at most `longest` seconds.

        After `longest` seconds others run beside it, and until it ends no new exclusive turn begins; shared ones
        overtake those that wait for one.
        """
        waits = not self._is_free(exclusive) or any(self._is_before(one, exclusive) for one, _ in self._waiting)
        if waits:
            await self._wait(exclusive)
        else:
            self._take(exclusive)
        lifted: list[bool] = []
        lifting = asyncio.get_running_loop().call_later(longest, self._lift, lifted) if exclusive else None
        try:
            yield waits
        finally:
            if lifting is not None:
                lifting.cancel()
            self._lifted -= len(lifted)
            self._end(exclusive and not lifted)

    def _lift(self, lifted: list[bool]) -> None:
        """Admit others beside the exclusive turn."""
        lifted.append(True)
        self._exclusive, self._shared, self._lifted = False, self._shared + 1, self._lifted + 1
        self._admit()

    def _is_free(self, exclusive: bool) -> bool:
        return not self._exclusive and not (exclusive and self._shared)

    def _is_before(self, waiting: bool, exclusive: bool) -> bool:
        """Whether a waiter must have its turn before another that came later."""
        return exclusive or not waiting or not self._lifted

    def _take(self, exclusive: bool) -> None:
        self._exclusive = exclusive
        self._shared += not exclusive

    def _end(self, exclusive: bool) -> None:
        self._shared -= not exclusive
        self._exclusive = False if exclusive else self._exclusive
        self._admit()

    async def _wait(self, exclusive: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((exclusive, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._admit()
            else:  # it was granted at the same moment
                self._end(exclusive)
            raise

    def _admit(self) -> None:
        passed: deque[tuple[bool, asyncio.Future[None]]] = deque()
        while self._waiting:
            exclusive, turn = self._waiting.popleft()
            if turn.done():
                continue
            if self._is_free(exclusive):
                self._take(exclusive)
                turn.set_result(None)
                continue
            passed.append((exclusive, turn))
            if not self._lifted:
                break
        self._waiting = passed + self._waiting
