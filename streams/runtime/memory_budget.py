"""Memory budget in bytes for concurrent work: first come, first served; an item above the budget gets all of it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class MemoryBudget:
    """A budget of bytes in one event loop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """The number of waiters for memory."""
        return len(self._waiting)

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Wait in order until so many bytes are free, and hold them during the block."""
        size = min(size, self._size)
        if self._waiting or self._free < size:
            await self._wait(size)
        else:
            self._free -= size
        try:
            yield
        finally:
            self._give_back(size)

    async def _wait(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            # it may have been granted at the same moment; else those behind it may have their turns now
            self._give_back(0 if turn.cancelled() else size)
            raise

    def _give_back(self, size: int) -> None:
        self._free += size
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done():
                if self._free < wanted:
                    return
                self._free -= wanted
                turn.set_result(None)
            self._waiting.popleft()
