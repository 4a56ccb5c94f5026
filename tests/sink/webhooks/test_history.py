"""The delivery history: what is listed in which order, and what is sent again."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from schemas.settings.outbound import OutboundSettings
from schemas.settings.stores import PostgresSettings
from schemas.webhooks.deliveries import DeliveryState
from sink.postgres.database import Connection, Database
from sink.webhooks.deliveries import NewDelivery, Scheduling, add, delivery_id
from sink.webhooks.endpoints import ensure_endpoint, set_enabled
from sink.webhooks.history import (
    DeliveryFilter,
    RedeliveryPage,
    attempts_of,
    find_delivery,
    list_deliveries,
    redeliver,
    redeliver_since,
)
from sink.webhooks.leases import DeliveryOutcome, LeaseGrant, finish, lease
from sink.webhooks.secrets import SecretBox, new_key

pytestmark = pytest.mark.anyio
BOX = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": new_key()}))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, db.session() as opened:
        yield opened


async def endpoint(connection: Connection, tenant: str = "acme") -> UUID:
    return (await ensure_endpoint(connection, BOX, tenant, "https://receiver.example/"))[0].endpoint_id


async def scheduled(connection: Connection, endpoint: UUID, job: UUID | None = None) -> UUID:
    new = NewDelivery(event_id=uuid4(), job_id=job, type="webhook.test", payload={"n": 1}, asked=None)
    assert await add(connection, endpoint, new) is Scheduling.SCHEDULED
    return delivery_id(new.event_id, endpoint)


async def ended(connection: Connection, endpoint: UUID, state: DeliveryState, status: int = 500) -> UUID:
    """A delivery that was attempted once."""
    delivery = await scheduled(connection, endpoint)
    (leased,) = await lease(connection, {endpoint: LeaseGrant(slots=1, level=9)}, attempts=20)
    assert leased.delivery_id == delivery
    outcome = DeliveryOutcome(outcome="answered", status=status, answer="no", latency_ms=7)
    assert await finish(connection, leased, outcome, state, None)
    return delivery


async def listed(connection: Connection, wanted: DeliveryFilter, limit: int = 100) -> list[UUID]:
    return [found.delivery_id for found in await list_deliveries(connection, wanted, limit)]


async def test_deliveries_are_listed_newest_first_page_by_page(connection: Connection) -> None:
    mine, theirs = await endpoint(connection), await endpoint(connection, "globex")
    deliveries = [await scheduled(connection, mine) for _ in range(7)]
    foreign = await scheduled(connection, theirs)
    # several at the same time: their ids decide
    await connection.execute("UPDATE webhook_deliveries SET created_at = %s WHERE sequence > 3", [LONG_AGO])
    wanted, pages = DeliveryFilter(tenant="acme"), list[UUID]()
    while page := await list_deliveries(connection, wanted, 3):
        pages += [found.delivery_id for found in page]
        wanted = DeliveryFilter(tenant="acme", before=(page[-1].created_at, page[-1].delivery_id))
    newest, oldest = pages[:3], pages[3:]
    assert newest == deliveries[2::-1]
    assert oldest == sorted(deliveries[3:], reverse=True)
    assert await listed(connection, DeliveryFilter(tenant="globex")) == [foreign]
    assert len(await listed(connection, DeliveryFilter())) == 8


async def test_deliveries_are_found_by_what_is_wanted(connection: Connection) -> None:
    here, there = await endpoint(connection), await endpoint(connection, "globex")
    failed = await ended(connection, here, DeliveryState.EXHAUSTED)
    delivered = await ended(connection, here, DeliveryState.DELIVERED, 200)
    job = uuid4()
    of_job = await scheduled(connection, there, job)
    assert await listed(connection, DeliveryFilter(state=DeliveryState.EXHAUSTED)) == [failed]
    assert await listed(connection, DeliveryFilter(state=DeliveryState.DELIVERED, endpoint_id=here)) == [delivered]
    assert await listed(connection, DeliveryFilter(job_id=job)) == [of_job]
    assert await listed(connection, DeliveryFilter(job_id=job, tenant="acme")) == []
    await connection.execute("UPDATE webhook_deliveries SET created_at = %s WHERE delivery_id = %s", [LONG_AGO, failed])
    assert await listed(connection, DeliveryFilter(endpoint_id=here, since=LONG_AGO + timedelta(days=1))) == [delivered]


async def test_a_delivery_tells_of_its_last_attempt_and_all_are_kept(connection: Connection) -> None:
    here = await endpoint(connection)
    delivery = await ended(connection, here, DeliveryState.EXHAUSTED)
    assert await redeliver(connection, delivery)
    waiting = await find_delivery(connection, delivery, "acme")
    assert waiting is not None
    assert (waiting.state, waiting.attempts, waiting.status, waiting.sequence) == (DeliveryState.PENDING, 1, 500, 1)
    assert waiting.next_attempt_at is not None
    (leased,) = await lease(connection, {here: LeaseGrant(slots=1, level=9)}, attempts=20)
    assert (leased.attempt, leased.attempts_before) == (2, 1)
    running = await find_delivery(connection, delivery)
    assert running is not None
    assert (running.attempts, running.status, running.outcome, running.next_attempt_at) == (2, None, None, None)
    first, second = await attempts_of(connection, delivery)
    assert (first.attempt, first.outcome, first.status, first.answer, first.latency_ms) == (1, "answered", 500, "no", 7)
    assert (second.attempt, second.outcome, second.ended_at) == (2, None, None)
    assert await find_delivery(connection, delivery, "globex") is None


async def test_what_is_being_sent_or_goes_nowhere_is_not_sent_again(connection: Connection) -> None:
    here = await endpoint(connection)
    delivery = await scheduled(connection, here)
    await lease(connection, {here: LeaseGrant(slots=1, level=9)}, attempts=20)
    assert not await redeliver(connection, delivery)
    assert not await redeliver(connection, uuid4())
    await set_enabled(connection, here, False, "on purpose")
    written = await scheduled(connection, here)
    assert not await redeliver(connection, written)
    await set_enabled(connection, here, True, "")
    assert await redeliver(connection, written)


async def test_all_since_a_time_are_sent_again_in_their_order(connection: Connection) -> None:
    here = await endpoint(connection)
    old = await ended(connection, here, DeliveryState.EXHAUSTED)
    await connection.execute("UPDATE webhook_deliveries SET created_at = %s", [LONG_AGO])
    delivered = await ended(connection, here, DeliveryState.DELIVERED, 200)
    failed = [await ended(connection, here, DeliveryState.EXHAUSTED) for _ in range(4)]
    since = LONG_AGO + timedelta(days=1)
    first = await redeliver_since(connection, here, since, limit=3)
    assert (first.number, first.more_after and first.more_after[1]) == (3, failed[2])
    assert await redeliver_since(connection, here, since, limit=3, after=first.more_after) == RedeliveryPage(1, None)
    assert await redeliver_since(connection, here, since, limit=3) == RedeliveryPage(0, None)
    assert await redeliver_since(connection, here, LONG_AGO, limit=9, only_failed=False) == RedeliveryPage(2, None)
    assert {found.state for found in await list_deliveries(connection, DeliveryFilter(), 9)} == {DeliveryState.PENDING}
    leased = await lease(connection, {here: LeaseGrant(slots=9, level=9)}, attempts=20)
    assert [call.delivery_id for call in leased] == [*failed, old, delivered]


async def test_what_was_delivered_meanwhile_is_not_sent_again_by_the_next_page(connection: Connection) -> None:
    """Else sending everything again would have no end while the receiver takes it."""
    here = await endpoint(connection)
    deliveries = [await ended(connection, here, DeliveryState.DELIVERED, 200) for _ in range(3)]
    page = await redeliver_since(connection, here, LONG_AGO, limit=2, only_failed=False)
    await connection.execute("UPDATE webhook_deliveries SET state = 'delivered', ended_at = now()")
    last = await redeliver_since(connection, here, LONG_AGO, limit=2, only_failed=False, after=page.more_after)
    assert (page.number, last) == (2, RedeliveryPage(1, None))
    assert await listed(connection, DeliveryFilter(state=DeliveryState.PENDING)) == deliveries[2:]


async def test_redelivery_opens_no_gate(connection: Connection) -> None:
    """Of a job whose result was never applied: it waits for that, whoever asks for it."""
    here = await endpoint(connection)
    delivery = await scheduled(connection, here, uuid4())
    await connection.execute("UPDATE webhook_deliveries SET state = 'disabled', ended_at = now()")
    assert await redeliver(connection, delivery)
    assert await lease(connection, {here: LeaseGrant(slots=9, level=9)}, attempts=20) == []
