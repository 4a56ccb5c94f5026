"""Nobody waits for another's receiver: places, shares, paces and pauses, on real PostgreSQL to real receivers."""

from dataclasses import replace

import pytest

from sink.http.client import AsyncOutboundClient
from streams.webhooks.dispatcher import Deliveries
from tests.streams.webhook_harness import (
    LIMITS,
    OUTBOUND,
    SECRETS,
    WebhookHarness,
    called,
    calls,
    counted,
    tried,
    until,
)

pytestmark = pytest.mark.anyio


async def test_a_receiver_that_hangs_delays_no_other(world: WebhookHarness) -> None:
    hanging, healthy = world.receiver(hang=True), world.receiver()
    for _ in range(6):
        await world.ended_job(hanging)
    for _ in range(6):
        await world.ended_job(healthy)
    async with world.dispatching(replace(LIMITS, places=6, calls_per_endpoint=2)):
        await until(lambda: counted(world, "delivered", 6))
        assert len(hanging.calls) == 2
        assert len(healthy.calls) == 6
        hanging.stopped.set()
        await until(lambda: counted(world, "delivered", 12))


async def test_a_tenant_with_many_hanging_receivers_delays_no_other(world: WebhookHarness) -> None:
    """Each of its endpoints is within its own share; together they take half of the places."""
    hanging, healthy = [world.receiver(hang=True) for _ in range(6)], world.receiver()
    for receiver in hanging:
        await world.ended_job(receiver)
    async with world.dispatching(replace(LIMITS, places=4, calls_per_endpoint=2, calls_per_tenant=2)):
        await until(lambda: calls(hanging, 2))
        for _ in range(6):
            await world.apply(await world.job(healthy, tenant="globex"))
        await until(lambda: counted(world, "delivered", 6))
        assert await calls(hanging, 2)
        for receiver in hanging:
            receiver.stopped.set()
        await until(lambda: counted(world, "delivered", 12))


async def test_a_receiver_that_asks_for_a_pause_gets_nothing_at_all(world: WebhookHarness) -> None:
    busy, other = world.receiver(plan=lambda _: (429, {"retry-after": "3600"})), world.receiver()
    first = await world.ended_job(busy)
    async with world.dispatching(replace(LIMITS, time_scale=1)):
        await until(lambda: tried(world, first))
        await world.ended_job(busy)
        await world.ended_job(other)
        await until(lambda: called(other))
        assert len(busy.calls) == 1
        await world.rows("UPDATE webhook_endpoints SET blocked_until = now() RETURNING 1")
        await until(lambda: calls([busy], 2))


async def test_an_endpoint_is_sent_to_no_faster_than_it_may(world: WebhookHarness) -> None:
    slow = world.receiver()
    for _ in range(3):
        await world.ended_job(slow)
    await world.rows("UPDATE webhook_endpoints SET max_per_second = 0.001 RETURNING 1")
    async with world.dispatching(), world.dispatching():
        await until(lambda: counted(world, "delivered", 1))
        await world.ended_job(world.receiver())
        await until(lambda: counted(world, "delivered", 2))
        assert len(slow.calls) == 1
        await world.rows("UPDATE webhook_endpoints SET max_per_second = 1000 RETURNING 1")
        await until(lambda: counted(world, "delivered", 4))


async def test_two_dispatchers_together_keep_an_endpoints_limit(world: WebhookHarness) -> None:
    hanging = world.receiver(hang=True)
    for _ in range(12):
        await world.ended_job(hanging)
    async with world.dispatching(), world.dispatching(), world.dispatching():
        await until(lambda: calls([hanging], LIMITS.calls_per_endpoint))
        await world.ended_job(world.receiver())
        await until(lambda: counted(world, "delivered", 1))
        assert len(hanging.calls) == LIMITS.calls_per_endpoint
        hanging.stopped.set()
        await until(lambda: counted(world, "delivered", 13))


async def test_a_lease_reads_no_more_rows_because_of_a_backlog(world: WebhookHarness) -> None:
    """Fifty thousand due deliveries of an endpoint that hangs: the others' are found without looking at them."""
    hanging, healthy = world.receiver(), world.receiver()
    await world.ended_job(hanging)
    await world.rows(
        "INSERT INTO webhook_deliveries (delivery_id, event_id, endpoint_id, type, payload, next_attempt_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), %s, 'job.completed', '{}', now() - interval '1 hour'"
        " FROM generate_series(1, 50000) RETURNING 1",
        await world.endpoint(hanging),
    )
    await world.ended_job(healthy)
    work = Deliveries(world.db, AsyncOutboundClient(OUTBOUND, "development"), SECRETS, LIMITS)
    read = (
        "SELECT seq_tup_read + idx_tup_fetch AS rows FROM pg_stat_xact_user_tables WHERE relname = 'webhook_deliveries'"
    )
    async with world.db.transaction() as connection:
        leased = await work.lease(connection, 64, [])
        (row,) = await (await connection.execute(read)).fetchall()
    assert [call.url for call in leased].count(hanging.url) == LIMITS.calls_per_endpoint
    assert [call.url for call in leased].count(healthy.url) == 1
    assert row["rows"] < 100
