"""What each attempt leads to, as it is written down: times within the schedule, wishes honoured, endpoints given up in time."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import pytest

from schemas.retries.schedules import WEBHOOKS
from schemas.webhooks.deliveries import DeliveryState
from sink.webhooks.leases import DeliveryOutcome, LeasedDelivery, LeaseGrant, lease
from streams.webhooks.attempt import Attempted
from streams.webhooks.record_attempt import Recorded, record
from tests.streams.webhook_harness import WebhookHarness

pytestmark = pytest.mark.anyio
SCALE = 0.01
DAY = 24 * 3600.0


async def leased(world: WebhookHarness, endpoint: UUID) -> LeasedDelivery:
    """The only delivery, whenever it is due."""
    async with world.db.transaction() as connection:
        await connection.execute("UPDATE webhook_deliveries SET next_attempt_at = now()")
        (found,) = await lease(connection, {endpoint: LeaseGrant(places=1, level=1)}, attempts=20)
    return found


async def recorded_attempt(
    world: WebhookHarness, call: LeasedDelivery, attempted: Attempted, failing_seconds: float = 1e12
) -> tuple[Recorded, datetime, datetime, datetime]:
    """What became of an attempt: the record, the moments before and after it, and the time of the next one."""
    before = datetime.now(UTC)
    async with world.db.transaction() as connection:
        done = await record(connection, call, attempted, time_scale=SCALE, failing_seconds=failing_seconds)
    after = datetime.now(UTC)
    (row,) = await world.rows("SELECT next_attempt_at FROM webhook_deliveries")
    return done, before, after, row["next_attempt_at"]


def answered(status: int, retry_after: str | None = None) -> Attempted:
    return Attempted(DeliveryOutcome(outcome="answered", status=status, answer="", latency_ms=1), retry_after)


async def test_every_attempt_comes_within_the_schedule(world: WebhookHarness) -> None:
    """Nine times put off, each by its part of the schedule more or less the jitter; the tenth is the last one."""
    receiver = world.receiver()
    await world.ended_job(receiver)
    endpoint = await world.endpoint(receiver)
    for number, seconds in enumerate(WEBHOOKS.seconds, start=1):
        call = await leased(world, endpoint)
        assert call.attempt == number
        _, before, after, following = await recorded_attempt(world, call, answered(500))
        assert following - after <= timedelta(seconds=seconds * WEBHOOKS.jitter[1] * SCALE)
        assert following - before >= timedelta(seconds=seconds * WEBHOOKS.jitter[0] * SCALE)
    await recorded_attempt(world, await leased(world, endpoint), answered(500))
    assert await world.states() == ["exhausted"]


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize(("wish", "honoured"), [(7200.0, 7200.0), (90 * DAY, DAY), (0.0, WEBHOOKS.seconds[0])])
async def test_a_wish_for_later_is_honoured_up_to_a_day(
    world: WebhookHarness, form: str, wish: float, honoured: float
) -> None:
    receiver = world.receiver()
    await world.ended_job(receiver)
    endpoint = await world.endpoint(receiver)
    at = datetime.now(UTC) + timedelta(seconds=wish)
    header = f"{wish:.0f}" if form == "seconds" else format_datetime(at, usegmt=True)
    _, before, after, following = await recorded_attempt(world, await leased(world, endpoint), answered(503, header))
    slack = timedelta(seconds=(0.1 * honoured + 2) * SCALE)  # a date has whole seconds
    assert following - after <= timedelta(seconds=honoured * SCALE) + slack
    assert following - before >= timedelta(seconds=honoured * SCALE) - slack


async def test_an_endpoint_is_given_up_five_days_after_its_first_failure_and_not_before(world: WebhookHarness) -> None:
    """Days are moved, not waited for: the clock starts with the first failure after the last success."""
    receiver = world.receiver()
    await world.ended_job(receiver)
    endpoint = await world.endpoint(receiver)
    five_days = 5 * DAY

    async def after(days: float, status: int) -> Recorded:
        moved = "UPDATE webhook_endpoints SET failing_since = failing_since - make_interval(secs => %s) RETURNING 1"
        await world.rows(moved, days * DAY * SCALE)
        done, *_ = await recorded_attempt(world, await leased(world, endpoint), answered(status), five_days)
        return done

    assert await after(0, 500) == Recorded(DeliveryState.PENDING)
    assert await after(4.9, 500) == Recorded(DeliveryState.PENDING)
    assert await after(0, 200) == Recorded(DeliveryState.DELIVERED)
    await world.rows("UPDATE webhook_deliveries SET state = 'pending' RETURNING 1")
    assert await after(0.2, 500) == Recorded(DeliveryState.PENDING)
    assert await after(4.9, 503) == Recorded(DeliveryState.PENDING)
    given_up = await after(0.11, 500)
    assert given_up.disabled is not None
    assert given_up.disabled.kind == "failing"
    (row,) = await world.rows("SELECT state, reason FROM webhook_endpoints")
    assert row == {"state": "disabled", "reason": given_up.disabled.text}
    assert await world.states() == ["disabled"]


async def test_an_outcome_that_comes_too_late_says_nothing_of_the_endpoint(world: WebhookHarness) -> None:
    receiver = world.receiver()
    await world.ended_job(receiver)
    call = await leased(world, await world.endpoint(receiver))
    await world.rows("UPDATE webhook_deliveries SET lease_token = gen_random_uuid() RETURNING 1")
    done, *_ = await recorded_attempt(world, call, answered(410))
    assert done == Recorded(None)
    (row,) = await world.rows("SELECT state, failing_since FROM webhook_endpoints")
    assert row == {"state": "enabled", "failing_since": None}
