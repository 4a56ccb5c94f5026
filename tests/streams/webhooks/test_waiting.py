"""What holds webhooks: each gate is met with real rows, and only what no gate holds is leased."""

from collections.abc import Awaitable, Callable

import pytest

from schemas.process.wait_reasons import WaitReason
from sink.webhooks.endpoint_health import disable
from sink.webhooks.leases import queues
from sink.webhooks.waiting import HeldDelivery, count_held, held_deliveries
from streams.runtime.lease_worker import GROUP
from tests.streams.jobs import Job
from tests.streams.webhook_harness import ONCE, WebhookHarness, has_states, tried, until

pytestmark = pytest.mark.anyio
Fault = Callable[[WebhookHarness, Job], Awaitable[object]]


async def gated(_world: WebhookHarness, _job: Job) -> None:
    """Its result is not applied."""


async def due(world: WebhookHarness, job: Job) -> None:
    await world.apply(job)


async def leased(world: WebhookHarness, job: Job) -> None:
    """By a dispatcher that died: nobody prolongs it."""
    await world.apply(job)
    await world.rows(
        "UPDATE webhook_deliveries SET attempt = 1, lease_token = gen_random_uuid(), lease_until = now() + interval '1 min'"
        " RETURNING 1"
    )


async def retried(world: WebhookHarness, job: Job) -> None:
    await world.apply(job)
    await world.rows(
        "UPDATE webhook_deliveries SET attempt = 1, next_attempt_at = now() + interval '1 hour' RETURNING 1"
    )


async def paused(world: WebhookHarness, job: Job) -> None:
    await world.apply(job)
    await world.rows("UPDATE webhook_endpoints SET blocked_until = now() + interval '1 hour' RETURNING 1")


async def disabled(world: WebhookHarness, job: Job) -> None:
    await world.apply(job)
    (row,) = await world.rows("SELECT endpoint_id FROM webhook_endpoints")
    async with world.db.transaction() as connection:
        assert await disable(connection, row["endpoint_id"], "as ordered")


FAULTS: dict[WaitReason, Fault] = {
    WaitReason.WEBHOOK_GATE: gated,
    WaitReason.WEBHOOK_DUE: due,
    WaitReason.LEASE_HELD: leased,
    WaitReason.WEBHOOK_RETRY: retried,
    WaitReason.ENDPOINT_PAUSED: paused,
    WaitReason.ENDPOINT_DISABLED: disabled,
}
TIMELESS = (WaitReason.WEBHOOK_GATE, WaitReason.ENDPOINT_DISABLED)


async def held(world: WebhookHarness, job: Job) -> list[HeldDelivery]:
    async with world.db.connection() as connection:
        return list(await held_deliveries(connection, job.job_id))


@pytest.mark.parametrize("reason", FAULTS)
async def test_a_delivery_names_the_gate_that_holds_it(world: WebhookHarness, reason: WaitReason) -> None:
    # given
    job = await world.job(world.receiver())
    await FAULTS[reason](world, job)
    # then
    [delivery] = await held(world, job)
    assert (delivery.reason, delivery.delivery_id) == (reason, await world.delivery(job))
    assert (delivery.next_at is None) == (reason in TIMELESS)
    assert delivery.endpoint_reason == ("as ordered" if reason is WaitReason.ENDPOINT_DISABLED else None)
    async with world.db.connection() as connection:
        counts = await count_held(connection)
        leasable = await queues(connection, per_endpoint=4, attempts=10)
    # what is ended for its endpoint waits no more, and is told to whoever asks for its job
    assert set(counts) == ({reason} if reason is not WaitReason.ENDPOINT_DISABLED else set())
    # no gate, and nothing else, keeps a delivery from being leased
    assert bool(leasable) == (reason is WaitReason.WEBHOOK_DUE)


async def test_a_delivery_that_has_arrived_is_held_by_nothing(world: WebhookHarness) -> None:
    job = await world.ended_job(world.receiver())
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    assert await held(world, job) == []


async def test_a_dispatcher_reports_what_waits(world: WebhookHarness) -> None:
    job = await world.ended_job(world.receiver(plan=lambda _: (500, {})))
    await world.job(world.receiver())
    async with world.dispatching(ONCE) as dispatcher:
        await until(lambda: tried(world, job))

        async def counted() -> bool:
            found = {each.reason: (each.group, each.jobs) for each in dispatcher.waits().waiting}
            return found == {
                WaitReason.WEBHOOK_RETRY: (GROUP, 1),
                WaitReason.WEBHOOK_GATE: (GROUP, 1),
            }

        await until(counted)
        assert dispatcher.waits().closed == ()
