"""Endpoints in trouble: which are disabled, when, and what becomes of their deliveries."""

from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from schemas.settings.outbound import OutboundSettings
from sink.http.client import AsyncOutboundClient
from sink.webhooks.endpoint_health import backlog, disable, end_disabled
from sink.webhooks.secrets import SecretBox, new_key
from tests.streams.webhook_harness import LIMITS, ONCE, WebhookHarness, all_delivered, counted, has_states, tried, until

pytestmark = pytest.mark.anyio


async def test_gone_disables_the_endpoint_and_what_waits_for_it(world: WebhookHarness) -> None:
    receiver = world.receiver(plan=lambda _: (410, {}))
    gone = await world.ended_job(receiver)
    waiting = await world.job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "disabled", "disabled"))
        await world.apply(waiting)
        later = await world.ended_job(receiver)
        await until(lambda: has_states(world, "disabled", "disabled", "disabled"))
    assert len(receiver.calls) == 1
    assert await world.attempts(gone) == [(1, "answered", 410)]
    assert await world.attempts(later) == []
    (endpoint,) = await world.rows("SELECT state, reason FROM webhook_endpoints")
    assert endpoint == {"state": "disabled", "reason": "the receiver answered 410 Gone"}


async def test_an_endpoint_that_only_fails_is_disabled_and_says_so(
    world: WebhookHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """Five days of failures after the last success, here as many seconds; what it gets later is written down."""
    failing = world.receiver(plan=lambda _: (500, {}))
    job = await world.ended_job(failing)
    endpoint = await world.endpoint(failing)
    async with world.dispatching(replace(LIMITS, failing_seconds=0)):
        await until(lambda: has_states(world, "disabled"))
        await world.ended_job(failing)
        await until(lambda: has_states(world, "disabled", "disabled"))
    assert len(failing.calls) == len(await world.attempts(job)) == 1
    (row,) = await world.rows("SELECT state, reason, disabled_at FROM webhook_endpoints")
    assert row["state"] == "disabled"
    assert row["reason"].startswith("every attempt since 20")
    assert row["disabled_at"] is not None
    assert f"webhook endpoint {endpoint} is disabled: {row['reason']}" in caplog.text


async def test_a_success_between_failures_starts_the_clock_anew(world: WebhookHarness) -> None:
    sporadic = world.receiver(plan=lambda n: (200 if n % 2 else 500, {}))
    for _ in range(4):
        await world.ended_job(sporadic)
        async with world.dispatching(replace(LIMITS, calls_per_endpoint=1)):
            await until(lambda: all_delivered(world))
    (row,) = await world.rows("SELECT state, failing_since FROM webhook_endpoints")
    assert row == {"state": "enabled", "failing_since": None}


async def test_our_own_missing_key_condemns_no_endpoint(world: WebhookHarness) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    other = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": new_key()}))
    async with world.dispatching(replace(LIMITS, failing_seconds=0), secrets=other):
        await until(lambda: tried(world, job))
    (row,) = await world.rows("SELECT state, failing_since FROM webhook_endpoints")
    assert row == {"state": "enabled", "failing_since": None}


async def test_an_egress_proxy_that_is_away_condemns_no_endpoint(world: WebhookHarness, deaf_port: int) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    settings = {"allowed_networks": "127.0.0.0/8", "egress_proxy": f"http://127.0.0.1:{deaf_port}"}
    client = AsyncOutboundClient(OutboundSettings.model_validate(settings), "development")
    async with world.dispatching(replace(ONCE, failing_seconds=0), client=client):
        await until(lambda: tried(world, job))
    assert await world.attempts(job) == [(1, "proxy", None)]
    (row,) = await world.rows("SELECT state, failing_since FROM webhook_endpoints")
    assert row == {"state": "enabled", "failing_since": None}


async def test_what_waits_for_a_disabled_endpoint_ends_bit_by_bit(world: WebhookHarness) -> None:
    receiver = world.receiver()
    for _ in range(5):
        await world.ended_job(receiver)
    endpoint = await world.endpoint(receiver)
    await world.rows("UPDATE webhook_endpoints SET state = 'disabled' RETURNING 1")
    async with world.db.transaction() as connection:
        assert await end_disabled(connection, limit=2) == 2
        assert await end_disabled(connection, endpoint, limit=2) == 2
    assert await counted(world, "disabled", 4)
    async with world.dispatching():
        await until(lambda: counted(world, "disabled", 5))
    assert receiver.calls == []


def ended(state: str) -> float:
    return REGISTRY.get_sample_value("scribe_rabbit_webhooks_ended_total", {"state": state}) or 0.0


async def test_what_waits_is_shown_and_what_has_ended_is_counted(world: WebhookHarness) -> None:
    before = {state: ended(state) for state in ("delivered", "exhausted", "disabled")}
    receiver = world.receiver()
    await world.job(receiver)
    await world.ended_job(receiver)
    async with world.db.transaction() as connection:
        await connection.execute("UPDATE webhook_deliveries SET created_at = now() - interval '1 hour'")
        found = await backlog(connection)
        assert (found.pending, found.gated, found.disabled_endpoints) == (2, 1, 0)
        assert 0 <= found.oldest_due_seconds < 60
        await disable(connection, await world.endpoint(receiver), "on purpose")
        found = await backlog(connection)
    assert (found.pending, found.disabled_endpoints, found.oldest_due_seconds) == (0, 1, 0)
    assert ended("disabled") == before["disabled"] + 2
    await world.job(receiver)  # to an endpoint that is disabled: written down, and at its end at once
    assert ended("disabled") == before["disabled"] + 3
    healthy, refusing = world.receiver(), world.receiver(plan=lambda _: (500, {}))
    for to in (healthy, refusing):
        await world.ended_job(to)
    async with world.dispatching():
        await until(lambda: counted(world, "exhausted", 1))
        await until(lambda: counted(world, "delivered", 1))
    assert {state: ended(state) - before[state] for state in before} == {"delivered": 1, "exhausted": 1, "disabled": 3}
