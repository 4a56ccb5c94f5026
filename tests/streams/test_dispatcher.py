"""Deliveries on real PostgreSQL to real receivers: what arrives, what is tried again, and what is never sent twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas.errors import Outage
from schemas.settings import OutboundSettings
from sink.deliveries import State
from sink.outbound import AsyncOutboundClient
from sink.postgres import Connection, Database
from sink.s3 import S3ObjectStore
from sink.signature import format_secret, message_id
from sink.webhook_leases import Grant, Outcome, finish, lease
from sink.webhook_secrets import SecretBox, new_key
from sink.webhook_standing import backlog, disable, end_disabled, end_superseded
from streams import dispatcher
from streams.agents.persist import Persist
from streams.agents.webhooks import Webhooks
from streams.dispatcher import Dispatcher, Limits
from streams.recipe import DeadLetter
from streams.schedule import LEASES
from tests.streams.jobs import Job, new_job
from tests.streams.receiver import Receiver, receiving

pytestmark = pytest.mark.anyio
OUTBOUND = OutboundSettings.model_validate({"allowed_networks": ["127.0.0.0/8"], "webhook_key": new_key()})
SECRETS = SecretBox.of(OUTBOUND)
LIMITS = Limits(
    call_seconds=5,
    lease_seconds=2,
    poll_seconds=0.05,
    sweep_seconds=0.1,
    pause_seconds=0.05,
    time_scale=1e-5,
    failing_seconds=1e12,
)
DEADLINE = 20.0


class World:
    """The database with persist and webhooks in front of it, and receivers behind."""

    def __init__(self, db: Database, store: S3ObjectStore, stack: ExitStack) -> None:
        self.db = db
        self.persist = Persist(db, store)
        self.webhooks = Webhooks(db, SECRETS, "https://scribe.example")
        self._stack = stack
        self._secrets: dict[str, str] = {}

    def receiver(self, **values: Any) -> Receiver:
        receiver = Receiver(**values)
        receiver.secret = lambda: self._secrets.get(receiver.url)
        return self._stack.enter_context(receiving(receiver))

    async def job(self, receiver: Receiver, **values: Any) -> Job:
        """A job whose webhook is scheduled and whose result is not applied yet."""
        job = new_job(webhook_url=receiver.url, **values)
        assert await self.webhooks.ended(job.result()) == "scheduled"
        (row,) = await self.rows("SELECT endpoint_id, secret FROM webhook_endpoints WHERE url = %s", receiver.url)
        self._secrets[receiver.url] = format_secret(SECRETS.open(row["secret"], row["endpoint_id"]))
        return job

    async def ended_job(self, receiver: Receiver) -> Job:
        job = await self.job(receiver)
        await self.apply(job)
        return job

    async def apply(self, job: Job) -> None:
        assert await self.persist.ended(job.result()) == "applied"

    async def begin_run(self, job: Job, run: int) -> None:
        assert await self.persist.requested(job.request(run)) == "applied"

    async def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        async with self.db.transaction() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def states(self) -> list[str]:
        return [row["state"] for row in await self.rows("SELECT state FROM webhook_deliveries ORDER BY created_at")]

    async def attempts(self, job: Job) -> list[tuple[int, str | None, int | None]]:
        query = (
            "SELECT a.attempt, a.outcome, a.status FROM webhook_attempts a JOIN webhook_deliveries USING (delivery_id)"
            " WHERE job_id = %s ORDER BY a.attempt"
        )
        return [(r["attempt"], r["outcome"], r["status"]) for r in await self.rows(query, job.job_id)]

    async def endpoint(self, receiver: Receiver) -> UUID:
        (row,) = await self.rows("SELECT endpoint_id FROM webhook_endpoints WHERE url = %s", receiver.url)
        return UUID(str(row["endpoint_id"]))

    async def delivery(self, job: Job) -> UUID:
        (row,) = await self.rows("SELECT delivery_id FROM webhook_deliveries WHERE job_id = %s", job.job_id)
        return UUID(str(row["delivery_id"]))

    @asynccontextmanager
    async def dispatching(self, limits: Limits = LIMITS) -> AsyncIterator[Dispatcher]:
        """A dispatcher at work; it drains at the end."""
        stop = asyncio.Event()
        sending = Dispatcher(self.db, AsyncOutboundClient(OUTBOUND, "development"), SECRETS, limits)
        task = asyncio.create_task(sending.run(stop))
        try:
            yield sending
        finally:
            stop.set()
            await task


@pytest.fixture
def world(db: Database, object_store: S3ObjectStore) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(db, object_store, stack)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_a_result_is_delivered_signed(world: World) -> None:
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


async def has_states(world: World, *states: str) -> bool:
    return await world.states() == list(states)


async def test_a_result_that_is_not_applied_yet_is_not_delivered(world: World) -> None:
    receiver = world.receiver()
    early, ready = await world.job(receiver), await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "pending", "delivered"))
        assert [call.payload["data"]["job_id"] for call in receiver.calls] == [str(ready.job_id)]
        await world.apply(early)
        await until(lambda: has_states(world, "delivered", "delivered"))


async def test_a_receiver_that_fails_is_tried_again_with_the_same_id(world: World) -> None:
    receiver = world.receiver(plan=lambda n: (500, {}) if n < 2 else (200, {}))
    job = await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    assert len({call.message_id for call in receiver.calls}) == 1
    assert all(call.verified for call in receiver.calls)
    assert await world.attempts(job) == [(1, "answered", 500), (2, "answered", 500), (3, "delivered", 200)]


async def test_a_receiver_that_never_takes_it_exhausts_the_schedule(world: World) -> None:
    receiver = world.receiver(plan=lambda _: (503, {}))
    await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "exhausted"))
    assert len(receiver.calls) == 10


async def test_gone_disables_the_endpoint_and_what_waits_for_it(world: World) -> None:
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


async def test_a_redirect_is_a_failure_and_not_followed(world: World) -> None:
    elsewhere = world.receiver()
    receiver = world.receiver(plan=lambda n: (307, {"location": elsewhere.url}) if n == 0 else (204, {}))
    job = await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    assert elsewhere.calls == []
    assert await world.attempts(job) == [(1, "answered", 307), (2, "delivered", 204)]


async def test_retry_after_puts_the_next_attempt_off(world: World) -> None:
    receiver = world.receiver(plan=lambda _: (429, {"retry-after": "3600"}))
    job = await world.ended_job(receiver)
    async with world.dispatching(replace(LIMITS, time_scale=1)):
        await until(lambda: tried(world, job))
    (row,) = await world.rows("SELECT next_attempt_at - now() AS wait FROM webhook_deliveries")
    assert timedelta(minutes=55) < row["wait"] <= timedelta(hours=1)


async def tried(world: World, job: Job) -> bool:
    return any(outcome for _, outcome, _ in await world.attempts(job))


async def test_a_receiver_that_hangs_delays_no_other(world: World) -> None:
    hanging, healthy = world.receiver(hang=True), world.receiver()
    for _ in range(6):
        await world.ended_job(hanging)
    for _ in range(6):
        await world.ended_job(healthy)
    async with world.dispatching(replace(LIMITS, places=6, calls_per_endpoint=2)):
        await until(lambda: counted(world, "delivered", 6))
        assert len(hanging.calls) == 2
        assert len(healthy.calls) == 6
        hanging.over.set()
        await until(lambda: counted(world, "delivered", 12))


async def test_a_tenant_with_many_hanging_receivers_delays_no_other(world: World) -> None:
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
            receiver.over.set()
        await until(lambda: counted(world, "delivered", 12))


async def calls(receivers: list[Receiver], number: int) -> bool:
    return sum(len(receiver.calls) for receiver in receivers) == number


async def counted(world: World, state: str, number: int) -> bool:
    return (await world.states()).count(state) == number


async def test_a_receiver_that_does_not_answer_in_time_has_failed(world: World) -> None:
    receiver = world.receiver(hang=True)
    job = await world.ended_job(receiver)
    async with world.dispatching(replace(LIMITS, call_seconds=0.2, time_scale=1)):
        await until(lambda: tried(world, job))
    assert await world.attempts(job) == [(1, "timeout", None)]


async def test_an_address_that_may_not_be_called_is_not_called(world: World) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    strict = AsyncOutboundClient(OutboundSettings(), "production")
    stop = asyncio.Event()
    task = asyncio.create_task(Dispatcher(world.db, strict, SECRETS, replace(LIMITS, time_scale=1)).run(stop))
    await until(lambda: tried(world, job))
    stop.set()
    await task
    assert receiver.calls == []
    assert await world.attempts(job) == [(1, "refused", None)]


async def test_a_secret_under_another_key_sends_nothing(world: World) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    other = SecretBox.of(OutboundSettings.model_validate({"webhook_key": new_key()}))
    stop = asyncio.Event()
    client = AsyncOutboundClient(OUTBOUND, "development")
    task = asyncio.create_task(Dispatcher(world.db, client, other, replace(LIMITS, time_scale=1)).run(stop))
    await until(lambda: tried(world, job))
    stop.set()
    await task
    assert receiver.calls == []
    assert await world.attempts(job) == [(1, "unsigned", None)]


async def test_a_lease_that_ran_out_is_taken_over_and_its_first_owner_changes_nothing(world: World) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    async with world.db.transaction() as connection:
        endpoint = await world.endpoint(receiver)
        (dead,) = await lease(connection, {endpoint: Grant(places=1, level=1)}, attempts=9, seconds=0.2)
    assert await world.attempts(job) == [(1, None, None)]
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    assert await world.attempts(job) == [(1, None, None), (2, "delivered", 200)]
    async with world.db.transaction() as connection:
        assert not await finish(connection, dead, Outcome(outcome="answered", status=500), State.EXHAUSTED, None)
    assert await world.states() == ["delivered"]


async def test_a_long_call_keeps_its_lease(world: World) -> None:
    receiver = world.receiver(hang=True)
    await world.ended_job(receiver)
    limits = replace(LIMITS, lease_seconds=0.6)
    async with world.dispatching(limits), world.dispatching(limits):
        await until(lambda: called(receiver))
        await asyncio.sleep(1.5)  # longer than a lease: only the heartbeat keeps the other dispatcher away
        receiver.over.set()
        await until(lambda: has_states(world, "delivered"))
    assert len(receiver.calls) == 1


async def called(receiver: Receiver) -> bool:
    return bool(receiver.calls)


async def test_a_stop_lets_the_call_in_flight_end(world: World) -> None:
    receiver = world.receiver(hang=True)
    await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: called(receiver))
        asyncio.get_running_loop().call_later(0.2, receiver.over.set)
    assert await world.states() == ["delivered"]


async def test_a_delivery_of_an_older_run_ends_unsent(world: World) -> None:
    receiver = world.receiver()
    job = await world.job(receiver)
    await world.begin_run(job, 2)
    async with world.dispatching():
        await until(lambda: has_states(world, "disabled"))
    assert receiver.calls == []


async def test_two_dispatchers_send_each_delivery_once(world: World) -> None:
    receiver = world.receiver()
    for _ in range(20):
        await world.ended_job(receiver)
    async with world.dispatching(), world.dispatching():
        await until(lambda: counted(world, "delivered", 20))
    assert len({call.message_id for call in receiver.calls}) == len(receiver.calls) == 20


@pytest.mark.parametrize("status", [200, 503])
async def test_a_retry_after_beyond_the_calendar_is_no_wish(status: int, world: World) -> None:
    header = {"retry-after": "Mon, 20 Nov 1995 19:12:08 +99999999999999"}
    receiver = world.receiver(plan=lambda n: (status, header) if n == 0 else (200, header))
    job = await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    assert (await world.attempts(job))[0][2] == status


async def test_what_never_gets_an_outcome_is_not_sent_for_ever(world: World) -> None:
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


async def test_a_stop_ends_although_no_outcome_can_be_written(world: World) -> None:
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
    receiver.over.set()
    stop.set()
    async with asyncio.timeout(DEADLINE):
        await task
    assert await world.states() == ["pending"]


async def test_a_helper_goes_on_after_an_error_of_any_kind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_another_requests_result_is_not_delivered(world: World) -> None:
    """Two requests under one job id have the same event ids: only the one whose result was applied is told of it."""
    mine, others = world.receiver(), world.receiver()
    job = await world.job(mine)
    other = replace(job, webhook_url=others.url)
    conflicting = other.result(request=other.request(recording_id="other"))
    assert await world.webhooks.ended(conflicting) == "scheduled"
    await world.apply(job)
    assert await world.persist.ended(conflicting) == "conflicting"
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered", "disabled"))
    assert (len(mine.calls), others.calls) == (1, [])


async def test_a_result_that_could_not_be_applied_is_delivered_as_a_failure(world: World) -> None:
    receiver = world.receiver()
    job = await world.job(receiver)
    await world.persist.unapplied(job.result(), DeadLetter("internal", "internal", "on purpose"))
    async with world.dispatching():
        await until(lambda: has_states(world, "delivered"))
    (call,) = receiver.calls
    assert call.verified
    assert (call.payload["type"], call.payload["data"]["error"]["code"]) == ("job.failed", "internal")


async def test_deliveries_are_numbered_by_endpoint_and_keep_their_number(world: World) -> None:
    one, other = world.receiver(plan=lambda n: (500, {}) if n == 0 else (200, {})), world.receiver()
    for receiver in (one, one, other):
        await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: counted(world, "delivered", 3))
    assert sorted(call.payload["sequence"] for call in one.calls) in ([1, 1, 2], [1, 2, 2])
    assert len({(call.message_id, call.payload["sequence"]) for call in one.calls}) == 2
    assert [call.payload["sequence"] for call in other.calls] == [1]
    assert all(call.verified for call in (*one.calls, *other.calls))


async def test_an_event_read_twice_takes_no_second_number(world: World) -> None:
    receiver = world.receiver()
    job = await world.job(receiver)
    assert await world.webhooks.ended(job.result()) == "duplicate"
    later = await world.job(receiver)
    rows = await world.rows("SELECT job_id, sequence FROM webhook_deliveries ORDER BY sequence")
    assert [(row["job_id"], row["sequence"]) for row in rows] == [(job.job_id, 1), (later.job_id, 2)]


async def test_a_receiver_that_asks_for_a_pause_gets_nothing_at_all(world: World) -> None:
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


async def test_an_endpoint_is_sent_to_no_faster_than_it_may(world: World) -> None:
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


async def test_two_dispatchers_together_keep_an_endpoints_limit(world: World) -> None:
    hanging = world.receiver(hang=True)
    for _ in range(12):
        await world.ended_job(hanging)
    async with world.dispatching(), world.dispatching(), world.dispatching():
        await until(lambda: calls([hanging], LIMITS.calls_per_endpoint))
        await world.ended_job(world.receiver())
        await until(lambda: counted(world, "delivered", 1))
        assert len(hanging.calls) == LIMITS.calls_per_endpoint
        hanging.over.set()
        await until(lambda: counted(world, "delivered", 13))


async def test_an_endpoint_that_only_fails_is_disabled_and_says_so(
    world: World, caplog: pytest.LogCaptureFixture
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


async def test_a_success_between_failures_starts_the_clock_anew(world: World) -> None:
    sporadic = world.receiver(plan=lambda n: (200 if n % 2 else 500, {}))
    for _ in range(4):
        await world.ended_job(sporadic)
        async with world.dispatching(replace(LIMITS, calls_per_endpoint=1)):
            await until(lambda: all_delivered(world))
    (row,) = await world.rows("SELECT state, failing_since FROM webhook_endpoints")
    assert row == {"state": "enabled", "failing_since": None}


async def all_delivered(world: World) -> bool:
    return set(await world.states()) == {"delivered"}


async def test_our_own_missing_key_condemns_no_endpoint(world: World) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    other = SecretBox.of(OutboundSettings.model_validate({"webhook_key": new_key()}))
    stop = asyncio.Event()
    client = AsyncOutboundClient(OUTBOUND, "development")
    task = asyncio.create_task(Dispatcher(world.db, client, other, replace(LIMITS, failing_seconds=0)).run(stop))
    await until(lambda: tried(world, job))
    stop.set()
    await task
    (row,) = await world.rows("SELECT state, failing_since FROM webhook_endpoints")
    assert row == {"state": "enabled", "failing_since": None}


async def test_what_waits_for_a_disabled_endpoint_ends_bit_by_bit(world: World) -> None:
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


async def test_the_gauges_say_how_deliveries_stand(world: World) -> None:
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
    assert (found.pending, found.disabled, found.disabled_endpoints, found.oldest_due_seconds) == (0, 2, 1, 0)
