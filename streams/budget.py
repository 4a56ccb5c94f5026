"""A budget of bytes for what is in work at the same time; something larger than all of it gets all of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Budget:
    """So many bytes in one event loop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free = size
        self._given_back = asyncio.Event()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Waits until so many bytes are free, and holds them."""
        size = min(size, self._size)
        while self._free < size:
            self._given_back.clear()
            await self._given_back.wait()
        self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._given_back.set()
