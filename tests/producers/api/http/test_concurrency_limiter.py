"""Places shared among tenants: nobody takes them all, nobody waits for ever, none is lost."""

import asyncio

import pytest

from producers.api.http.concurrency_limiter import TenantConcurrencyLimiter
from schemas.errors import Rejected

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Held:
    """Requests that have a place until they are let go."""

    def __init__(self, places: TenantConcurrencyLimiter) -> None:
        self._places = places
        self._go = asyncio.Event()
        self.running: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def _hold(self, tenant: str) -> None:
        async with self._places.one(tenant):
            self.running.append(tenant)
            await self._go.wait()

    async def begin(self, *tenants: str) -> None:
        self.tasks += [asyncio.create_task(self._hold(tenant)) for tenant in tenants]
        for _ in range(10):
            await asyncio.sleep(0)

    async def end(self) -> list[object]:
        self._go.set()
        return list(await asyncio.gather(*self.tasks, return_exceptions=True))


async def test_one_tenant_takes_only_its_share_and_the_others_go_on() -> None:
    held = Held(TenantConcurrencyLimiter(places=4, per_tenant=2, seconds=30))
    await held.begin(*["acme"] * 9, "globex", "initech")
    assert sorted(held.running) == ["acme", "acme", "globex", "initech"]
    await held.end()
    assert sorted(held.running) == ["acme"] * 9 + ["globex", "initech"]


async def test_whoever_waits_too_long_is_told_why() -> None:
    held = Held(TenantConcurrencyLimiter(places=2, per_tenant=1, seconds=0.02))
    await held.begin("acme", "globex")
    for tenant, why in (("acme", "1 of the tenant's run already"), ("initech", "all places are taken")):
        with pytest.raises(Rejected, match=why) as caught:
            async with held._places.one(tenant):
                pass
        assert caught.value.code == "busy"
    assert await held.end() == [None, None]


async def test_no_place_is_lost_by_errors_and_by_requests_that_are_given_up() -> None:
    places = TenantConcurrencyLimiter(places=2, per_tenant=2, seconds=30)
    held = Held(places)
    await held.begin(*["acme"] * 6)
    for task in held.tasks:
        task.cancel()
    await held.end()
    with pytest.raises(ZeroDivisionError):
        async with places.one("acme"):
            raise ZeroDivisionError
    again = Held(places)
    await again.begin("globex", "globex")
    assert again.running == ["globex"] * 2
    await again.end()
    again.tasks.clear()
    assert "globex" not in places._own  # whoever comes once is not remembered for ever
