"""Deliveries on real PostgreSQL to real receivers: what arrives, what is tried again, and what is never sent twice."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest

from schemas.errors import Outage, Permanent
from schemas.events import EnhancementResult
from schemas.events import Outcome as JobOutcome
from schemas.settings.outbound import OutboundSettings
from schemas.webhooks.deliveries import DeliveryState
from schemas.wire.rejected_events import failed_result
from sink.enhancements.requests import apply as apply_enhancement
from sink.http.client import AsyncOutboundClient
from sink.jobs.runs import Effect
from sink.postgres.database import Connection, Database
from sink.webhooks.endpoint_health import end_superseded
from sink.webhooks.leases import DeliveryOutcome, LeaseGrant, finish, lease
from sink.webhooks.secrets import SecretBox, new_key
from sink.webhooks.signature import message_id
from streams.runtime.dead_letters import DeadLetterReason
from streams.runtime.lease_worker import Leaser
from streams.webhooks import dispatcher
from streams.webhooks.dispatcher import Deliveries, Dispatcher
from streams.webhooks.retry_schedule import LEASES
from tests.samples import AT
from tests.streams.jobs import Job, new_job
from tests.streams.webhook_harness import (
    DEADLINE,
    LIMITS,
    ONCE,
    OUTBOUND,
    SECRETS,
    WebhookHarness,
    called,
    counted,
    has_states,
    tried,
    until,
)

pytestmark = pytest.mark.anyio


async def test_a_result_is_delivered_signed(world: WebhookHarness) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    (call,) = receiver.calls
    assert call.verified
    assert call.message_id == message_id(await world.delivery(job))
    assert call.payload["type"] == "job.completed"
    assert call.payload["data"]["job_id"] == str(job.job_id)
    assert await world.attempts(job) == [(1, "delivered", 200)]


async def test_a_result_that_is_not_applied_yet_is_not_delivered(world: WebhookHarness) -> None:
    receiver = world.receiver()
    early, ready = await world.job(receiver), await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "pending", "delivered"))
        assert [call.payload["data"]["job_id"] for call in receiver.calls] == [str(ready.job_id)]
        await world.apply(early)
        await until(lambda: has_states(world, "delivered", "delivered"))


async def test_a_receiver_that_fails_is_tried_again_with_the_same_id(world: WebhookHarness) -> None:
    receiver = world.receiver(plan=lambda n: (500, {}) if n < 2 else (200, {}))
    job = await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    assert len({call.message_id for call in receiver.calls}) == 1
    assert all(call.verified for call in receiver.calls)
    assert await world.attempts(job) == [(1, "answered", 500), (2, "answered", 500), (3, "delivered", 200)]


async def test_a_receiver_that_never_takes_it_exhausts_the_schedule(world: WebhookHarness) -> None:
    receiver = world.receiver(plan=lambda _: (503, {}))
    await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "exhausted"))
    assert len(receiver.calls) == 10


async def test_a_redirect_is_a_failure_and_not_followed(world: WebhookHarness) -> None:
    elsewhere = world.receiver()
    receiver = world.receiver(plan=lambda n: (307, {"location": elsewhere.url}) if n == 0 else (204, {}))
    job = await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    assert elsewhere.calls == []
    assert await world.attempts(job) == [(1, "answered", 307), (2, "delivered", 204)]


async def test_retry_after_puts_the_next_attempt_off(world: WebhookHarness) -> None:
    receiver = world.receiver(plan=lambda _: (429, {"retry-after": "3600"}))
    job = await world.ended_job(receiver)
    async with world.dispatching(replace(LIMITS, time_scale=1)):
        await until(lambda: tried(world, job))
    (row,) = await world.rows("SELECT next_attempt_at - now() AS wait FROM webhook_deliveries")
    assert timedelta(minutes=55) < row["wait"] <= timedelta(hours=1)


async def test_a_receiver_that_does_not_answer_in_time_has_failed(world: WebhookHarness) -> None:
    receiver = world.receiver(hang=True)
    job = await world.ended_job(receiver)
    async with world.dispatching(replace(ONCE, call_seconds=0.2)):
        await until(lambda: tried(world, job))
    assert await world.attempts(job) == [(1, "timeout", None)]


async def test_an_address_that_may_not_be_called_is_not_called(world: WebhookHarness) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    strict = AsyncOutboundClient(OutboundSettings(), "production")
    async with world.dispatching(ONCE, client=strict):
        await until(lambda: tried(world, job))
    assert receiver.calls == []
    assert await world.attempts(job) == [(1, "refused", None)]


async def test_a_secret_under_another_key_sends_nothing(world: WebhookHarness) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    other = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": new_key()}))
    async with world.dispatching(ONCE, secrets=other):
        await until(lambda: tried(world, job))
    assert receiver.calls == []
    assert await world.attempts(job) == [(1, "unsigned", None)]


async def test_a_lease_that_ran_out_is_taken_over_and_its_first_owner_changes_nothing(world: WebhookHarness) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    async with world.db.transaction() as connection:
        endpoint = await world.endpoint(receiver)
        (dead,) = await lease(connection, {endpoint: LeaseGrant(slots=1, level=1)}, attempts=9, seconds=0.2)
    assert await world.attempts(job) == [(1, None, None)]
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    assert await world.attempts(job) == [(1, None, None), (2, "delivered", 200)]
    async with world.db.transaction() as connection:
        assert not await finish(
            connection, dead, DeliveryOutcome(outcome="answered", status=500), DeliveryState.EXHAUSTED, None
        )
    assert await world.states() == ["delivered"]


async def test_a_long_call_keeps_its_lease(world: WebhookHarness) -> None:
    """A heartbeat every tenth of a second lengthens it, each time by more than a machine may stand still."""
    receiver = world.receiver(hang=True)
    await world.ended_job(receiver)
    stop = asyncio.Event()
    work = Deliveries(world.db, AsyncOutboundClient(OUTBOUND, "development"), SECRETS, LIMITS)
    task = asyncio.create_task(Leaser(world.db, work, replace(LIMITS, lease_seconds=0.3)).run(stop))

    async def lease_until() -> datetime:
        (row,) = await world.rows("SELECT lease_until FROM webhook_deliveries")
        return cast(datetime, row["lease_until"])

    async def kept() -> bool:
        return await lease_until() > first

    await until(lambda: called(receiver))
    first = await lease_until()
    await until(kept)
    first = await lease_until()
    await until(kept)
    receiver.stopped.set()
    stop.set()
    await task
    assert await world.states() == ["delivered"]
    assert len(receiver.calls) == 1


async def test_a_stop_lets_the_call_in_flight_end(world: WebhookHarness) -> None:
    receiver = world.receiver(hang=True)
    await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: called(receiver))
        asyncio.get_running_loop().call_later(0.2, receiver.stopped.set)
    assert await world.states() == ["delivered"]


async def test_a_delivery_of_an_older_run_ends_unsent(world: WebhookHarness) -> None:
    receiver = world.receiver()
    job = await world.job(receiver)
    await world.begin_run(job, 2)
    async with world.dispatching():
        await until(lambda: has_states(world, "disabled"))
    assert receiver.calls == []


async def test_two_dispatchers_send_each_delivery_once(world: WebhookHarness) -> None:
    receiver = world.receiver()
    for _ in range(20):
        await world.ended_job(receiver)
    async with world.dispatching(), world.dispatching():
        await until(lambda: counted(world, "delivered", 20))
    assert len({call.message_id for call in receiver.calls}) == len(receiver.calls) == 20


@pytest.mark.parametrize("status", [200, 503])
async def test_a_retry_after_beyond_the_calendar_is_no_wish(status: int, world: WebhookHarness) -> None:
    header = {"retry-after": "Mon, 20 Nov 1995 19:12:08 +99999999999999"}
    receiver = world.receiver(plan=lambda n: (status, header) if n == 0 else (200, header))
    job = await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    assert (await world.attempts(job))[0][2] == status


async def test_what_never_gets_an_outcome_is_not_sent_for_ever(world: WebhookHarness) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    dead = (
        "UPDATE webhook_deliveries SET attempt = %s, lease_token = gen_random_uuid(), lease_until = now() RETURNING 1"
    )
    await world.rows(dead, LEASES)
    async with world.dispatching():
        await until(lambda: has_states(world, "exhausted"))
    assert receiver.calls == []
    assert await world.attempts(job) == []


async def test_a_stop_ends_although_no_outcome_can_be_written(world: WebhookHarness) -> None:
    """The database goes away under a call: the drain has its deadline, and the delivery is sent again later."""
    receiver = world.receiver(hang=True)
    await world.ended_job(receiver)
    stop = asyncio.Event()

    class Away(Database):
        """The database, away from the stop on."""

        async def run(self, work: Any, *, attempts: int = 5) -> Any:
            raise Outage("on purpose")

    away = Away(world.db._pool, world.db._dsn)
    limits = replace(LIMITS, drain_seconds=0.5)
    sending = Dispatcher(away, AsyncOutboundClient(OUTBOUND, "development"), SECRETS, limits)
    task = asyncio.create_task(sending.run(stop))
    await until(lambda: called(receiver))
    receiver.stopped.set()
    stop.set()
    async with asyncio.timeout(DEADLINE):
        await task
    assert await world.states() == ["pending"]


async def test_a_helper_goes_on_after_an_error_of_any_kind(
    world: WebhookHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([ValueError("on purpose"), Outage("on purpose")])

    async def failing(connection: Connection) -> int:
        if error := next(failures, None):
            raise error
        return await end_superseded(connection)

    monkeypatch.setattr(dispatcher, "end_superseded", failing)
    job = await world.job(world.receiver())
    await world.begin_run(job, 2)
    async with world.dispatching():
        await until(lambda: has_states(world, "disabled"))


async def test_another_requests_result_is_delivered_as_a_conflict(world: WebhookHarness) -> None:
    """Two requests under one job id have the same event ids: only the one whose result was applied is told of it."""
    mine, others = world.receiver(), world.receiver()
    job = await world.job(mine)
    other = replace(job, webhook_url=others.url)
    conflicting = other.result(request=other.request(recording_id="other"))
    assert await world.webhooks.ended(conflicting) == "scheduled"
    await world.apply(job)
    assert await world.persist.ended(conflicting) == "conflicting"
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered", "delivered"))
    (told,), (refused,) = mine.calls, others.calls
    assert (told.payload["type"], refused.payload["type"]) == ("job.completed", "job.failed")
    data = refused.payload["data"]
    assert (data["recording_id"], data["error"]["code"]) == ("other", "conflict")
    assert (data["transcript_url"], data.get("text")) == (None, None)


async def test_another_tenants_job_under_the_same_id_is_told_of_the_conflict(world: WebhookHarness) -> None:
    """Even where it asks for the same: the id is taken, and what was heard for one tenant is not another's."""
    mine, others = world.receiver(), world.receiver()
    job = await world.job(mine)
    theirs = replace(job, tenant="mallory", webhook_url=others.url)
    assert await world.webhooks.ended(theirs.result()) == "scheduled"
    await world.apply(job)
    assert await world.persist.ended(theirs.result()) == "foreign"
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered", "delivered"))
    (told,), (refused,) = mine.calls, others.calls
    assert (told.payload["type"], refused.payload["type"]) == ("job.completed", "job.failed")
    assert refused.payload["data"]["error"]["code"] == "conflict"


async def test_a_run_that_no_job_has_is_told_to_have_failed_whatever_the_job_is(world: WebhookHarness) -> None:
    """Its result is stale where the job has a row; whoever wrote it hears that it was no good."""
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    wrong = failed_result(replace(job.request(), run=0), Permanent("invalid_request", "run: must be at least 1"), AT)
    assert await world.webhooks.ended(wrong) == "scheduled"
    assert await world.persist.ended(wrong) == "stale"
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered", "delivered"))
    assert {call.payload["type"] for call in receiver.calls} == {"job.completed", "job.failed"}


async def test_a_result_that_could_not_be_applied_is_delivered_as_a_failure(world: WebhookHarness) -> None:
    receiver = world.receiver()
    job = await world.job(receiver)
    await world.persist.on_dead_letter(job.result(), DeadLetterReason("internal", "internal", "on purpose"))
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    (call,) = receiver.calls
    assert call.verified
    assert (call.payload["type"], call.payload["data"]["error"]["code"]) == ("job.failed", "internal")


async def test_deliveries_are_numbered_by_endpoint_and_keep_their_number(world: WebhookHarness) -> None:
    one, other = world.receiver(plan=lambda n: (500, {}) if n == 0 else (200, {})), world.receiver()
    for receiver in (one, one, other):
        await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: counted(world, "delivered", 3))
    assert sorted(call.payload["sequence"] for call in one.calls) in ([1, 1, 2], [1, 2, 2])
    assert len({(call.message_id, call.payload["sequence"]) for call in one.calls}) == 2
    assert [call.payload["sequence"] for call in other.calls] == [1]
    assert all(call.verified for call in (*one.calls, *other.calls))


async def test_an_event_read_twice_takes_no_second_number(world: WebhookHarness) -> None:
    receiver = world.receiver()
    job = await world.job(receiver)
    assert await world.webhooks.ended(job.result()) == "duplicate"
    later = await world.job(receiver)
    rows = await world.rows("SELECT job_id, sequence FROM webhook_deliveries ORDER BY sequence")
    assert [(row["job_id"], row["sequence"]) for row in rows] == [(job.job_id, 1), (later.job_id, 2)]


async def test_an_event_that_the_endpoint_has_not_chosen_is_counted_as_unwanted(world: WebhookHarness) -> None:
    receiver = world.receiver()
    await world.job(receiver)
    await world.rows("UPDATE webhook_endpoints SET events = '{job.failed}' RETURNING 1")
    assert await world.webhooks.ended(new_job(webhook_url=receiver.url).result()) == "unwanted"


async def test_no_webhook_is_missed_when_it_is_scheduled_while_its_result_is_applied(world: WebhookHarness) -> None:
    """Both at the same moment, a hundred times: whichever comes second lets it go, without the sweep."""
    receiver = world.receiver()
    jobs = [new_job(webhook_url=receiver.url) for _ in range(100)]
    both = ((world.webhooks.ended(job.result()), world.apply(job)) for job in jobs)
    await asyncio.gather(*(half for pair in both for half in pair))
    rows = await world.rows("SELECT sequence, next_attempt_at FROM webhook_deliveries ORDER BY sequence")
    assert [row["sequence"] for row in rows] == list(range(1, 101))
    assert all(row["next_attempt_at"] is not None for row in rows)


async def test_an_enhancement_waits_for_its_own_last_run_and_not_for_its_jobs(world: WebhookHarness) -> None:
    """Persist takes the enhancement of an earlier run of the job, unless the enhancement itself came again."""
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    result = enhancement_of(job)
    assert await world.webhooks.enhanced(result) == "scheduled"
    await world.begin_run(job, 2)
    async with world.db.transaction() as connection:
        assert await end_superseded(connection) == 0
        assert await apply_enhancement(connection, replace(result, run=2, event_id=uuid4())) is Effect.APPLIED
        assert await end_superseded(connection) == 1


def enhancement_of(job: Job) -> EnhancementResult:
    return EnhancementResult(
        event_id=uuid4(),
        job_id=job.job_id,
        run=1,
        tenant=job.tenant,
        enhancement_id=uuid4(),
        outcome=JobOutcome.COMPLETED,
        summary="short",
        completed_at=AT,
    )
