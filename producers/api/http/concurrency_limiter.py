"""Concurrency limits for slow operations, shared fairly among tenants, with a limited wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from schemas.errors import Rejected


class TenantConcurrencyLimiter:
    """Allows `places` operations at once in this process, `per_tenant` for one tenant; each waits up to `seconds`.

    Of those that use the database there are fewer places than connections, so that a submission always finds one.
    """

    def __init__(self, places: int = 4, per_tenant: int = 2, seconds: float = 3.0) -> None:
        self._all = asyncio.Semaphore(places)
        self._per_tenant = per_tenant
        self._seconds = seconds
        # a tenant's is gone with the last request that has or wants one of its places
        self._own: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def one(self, tenant: str) -> AsyncIterator[None]:
        """Hold one of the tenant's slots until the end of the block; raises Rejected(busy)."""
        if (own := self._own.get(tenant)) is None:
            own = self._own[tenant] = asyncio.Semaphore(self._per_tenant)
        async with (
            self._taken(own, f"{self._per_tenant} of the tenant's run already"),
            self._taken(self._all, "all places are taken"),
        ):
            yield

    @asynccontextmanager
    async def _taken(self, places: asyncio.Semaphore, why: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._seconds):
                await places.acquire()
        except TimeoutError:
            raise Rejected("busy", f"{why}, and did so for {self._seconds:g} s") from None
        try:
            yield
        finally:
            places.release()
