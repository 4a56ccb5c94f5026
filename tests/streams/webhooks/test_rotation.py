"""A secret that changes while webhooks are sent: receivers verify with the old one or the new one as long as both are good."""

from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from sink.webhooks.endpoints import Rotated, read_secret, rotate_secret
from sink.webhooks.history import redeliver
from tests.streams.receiver import Call, Receiver
from tests.streams.webhook_harness import SECRETS, WebhookHarness, counted, until

pytestmark = pytest.mark.anyio


async def secret(world: WebhookHarness, endpoint: UUID) -> str:
    async with world.db.transaction() as connection:
        return await read_secret(connection, SECRETS, endpoint) or ""


async def rotated(world: WebhookHarness, endpoint: UUID, overlap_seconds: float) -> Rotated:
    async with world.db.transaction() as connection:
        changed = await rotate_secret(connection, SECRETS, endpoint, overlap_seconds)
    assert changed is not None
    return changed


def accepts(secret: str, call: Call) -> bool:
    try:
        Webhook(secret).verify(call.body, call.headers)
    except WebhookVerificationError:
        return False
    return True


async def sent(world: WebhookHarness, receiver: Receiver, number: int) -> Call:
    """The next webhook, as it arrives; the receiver itself looks at no signature."""
    await world.ended_job(receiver)
    receiver.secret = lambda: None
    await until(lambda: counted(world, "delivered", number))
    return receiver.calls[-1]


async def test_both_secrets_verify_during_the_overlap_and_only_the_new_one_after_it(world: WebhookHarness) -> None:
    receiver = world.receiver()
    async with world.dispatching():
        first = await sent(world, receiver, 1)
        endpoint = await world.endpoint(receiver)
        old = await secret(world, endpoint)
        new = (await rotated(world, endpoint, 3600)).secret
        second = await sent(world, receiver, 2)
        await world.rows("UPDATE webhook_old_secrets SET until = now() RETURNING 1")
        third = await sent(world, receiver, 3)
        await until(lambda: forgotten(world))
    assert [accepts(old, call) for call in (first, second, third)] == [True, True, False]
    assert [accepts(new, call) for call in (first, second, third)] == [False, True, True]


async def forgotten(world: WebhookHarness) -> bool:
    return await world.rows("SELECT 1 FROM webhook_old_secrets") == []


async def test_every_secret_of_several_rotations_signs_along_until_one_without_overlap(world: WebhookHarness) -> None:
    receiver = world.receiver()
    async with world.dispatching():
        await sent(world, receiver, 1)
        endpoint = await world.endpoint(receiver)
        secrets = [await secret(world, endpoint)]
        secrets += [(await rotated(world, endpoint, 3600)).secret for _ in range(2)]
        during = await sent(world, receiver, 2)
        last = (await rotated(world, endpoint, 0)).secret
        after = await sent(world, receiver, 3)
    assert [accepts(known, during) for known in secrets] == [True, True, True]
    assert len(during.headers["webhook-signature"].split(" ")) == 3
    assert [accepts(known, after) for known in (*secrets, last)] == [False, False, False, True]


async def test_a_webhook_that_is_sent_again_has_its_id_and_number_and_a_fresh_signature(world: WebhookHarness) -> None:
    receiver = world.receiver()
    job = await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: counted(world, "delivered", 1))
        async with world.db.transaction() as connection:
            assert await redeliver(connection, await world.delivery(job))
        await until(lambda: counted(world, "delivered", 1))
    first, again = receiver.calls
    assert first.message_id == again.message_id
    assert first.payload == again.payload
    assert first.verified
    assert again.verified
    assert await world.attempts(job) == [(1, "delivered", 200), (2, "delivered", 200)]


async def test_a_webhook_that_is_sent_again_is_tried_by_the_whole_schedule(world: WebhookHarness) -> None:
    receiver = world.receiver(plan=lambda _: (503, {}))
    job = await world.ended_job(receiver)
    async with world.dispatching():
        await until(lambda: counted(world, "exhausted", 1))
        async with world.db.transaction() as connection:
            assert await redeliver(connection, await world.delivery(job))
        await until(lambda: counted(world, "exhausted", 1))
    assert len(receiver.calls) == 20
    assert len({call.message_id for call in receiver.calls}) == 1
    assert [line[0] for line in await world.attempts(job)] == list(range(1, 21))
