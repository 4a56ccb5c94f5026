"""Webhook endpoints in PostgreSQL: registered, changed, forgotten; secrets rotated and encrypted anew."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from schemas.errors import SettingsError
from schemas.settings.outbound import OutboundSettings
from schemas.settings.stores import PostgresSettings
from schemas.webhooks.event_types import EVENT_TYPES
from sink.postgres.database import Connection, Database
from sink.webhooks.deliveries import TEST, NewDelivery, Scheduling, add, register_endpoint
from sink.webhooks.endpoint_health import forget_old_secrets
from sink.webhooks.endpoints import (
    MAX_OLD_SECRETS,
    Endpoint,
    change_endpoint,
    delete_endpoint,
    ensure_endpoint,
    find_endpoint,
    list_endpoints,
    read_secret,
    reseal_secrets,
    rotate_secret,
    set_enabled,
)
from sink.webhooks.secrets import SecretBox, new_key
from sink.webhooks.signature import parse_secret

pytestmark = pytest.mark.anyio
OLD_KEY, NEW_KEY = new_key(), new_key()


def box_of(*keys: str) -> SecretBox:
    return SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": ", ".join(keys)}))


BOX = box_of(OLD_KEY)


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as opened:
        yield opened


@pytest.fixture
async def connection(db: Database) -> AsyncIterator[Connection]:
    async with db.transaction() as begun:
        yield begun


async def endpoint(connection: Connection, tenant: str = "acme", url: str = "https://acme.example/hook") -> Endpoint:
    return (await ensure_endpoint(connection, BOX, tenant, url))[0]


async def test_an_endpoint_is_registered_once_and_seen_by_its_tenant(connection: Connection) -> None:
    found, created = await ensure_endpoint(connection, BOX, "acme", "https://acme.example/hook")
    assert (created, found.state, found.tenant, found.max_per_second) == (True, "enabled", "acme", None)
    secret = await read_secret(connection, BOX, found.endpoint_id)
    assert await ensure_endpoint(connection, BOX, "acme", "https://acme.example/hook") == (found, False)
    assert await read_secret(connection, BOX, found.endpoint_id) == secret
    other = await endpoint(connection, tenant="globex")
    assert await find_endpoint(connection, found.endpoint_id, "globex") is None
    assert await list_endpoints(connection, "globex") == (other,)
    assert await list_endpoints(connection) == (found, other)
    assert await read_secret(connection, BOX, uuid4()) is None


async def test_only_what_is_named_is_changed(connection: Connection) -> None:
    found = await endpoint(connection)
    await change_endpoint(connection, found.endpoint_id, {"description": "the CRM", "max_per_second": 5.0})
    await change_endpoint(connection, found.endpoint_id, {"max_per_second": None})
    changed = await find_endpoint(connection, found.endpoint_id)
    assert changed is not None
    assert (changed.description, changed.max_per_second) == ("the CRM", None)


async def test_an_endpoint_is_sent_only_the_events_that_it_chose(connection: Connection) -> None:
    found = (await endpoint(connection)).endpoint_id

    async def scheduled(kind: str, job_id: UUID | None) -> Scheduling:
        return await add(
            connection, found, NewDelivery(event_id=uuid4(), job_id=job_id, type=kind, payload={}, asked=None)
        )

    async def sent() -> list[str]:
        return [kind for kind in EVENT_TYPES if await scheduled(kind, uuid4()) is Scheduling.SCHEDULED]

    assert await sent() == list(EVENT_TYPES)
    await change_endpoint(connection, found, {"events": ["job.failed", "enhancement.failed"]})
    assert await sent() == ["job.failed", "enhancement.failed"]
    assert await scheduled("job.completed", uuid4()) is Scheduling.UNWANTED
    assert await scheduled(TEST, None) is Scheduling.SCHEDULED  # a test is wanted whatever it has chosen
    await change_endpoint(connection, found, {"events": None})
    assert await sent() == list(EVENT_TYPES)


async def test_an_enabled_endpoint_is_as_good_as_new(connection: Connection) -> None:
    found = await endpoint(connection)
    assert await set_enabled(connection, found.endpoint_id, False, "because")
    assert not await set_enabled(connection, found.endpoint_id, False, "another reason")
    disabled = await find_endpoint(connection, found.endpoint_id)
    assert disabled is not None
    assert (disabled.state, disabled.reason) == ("disabled", "because")
    assert disabled.disabled_at is not None
    await connection.execute(
        "UPDATE webhook_endpoints SET failing_since = now() - interval '9 days', blocked_until = now() + interval '1 day'"
    )
    assert await set_enabled(connection, found.endpoint_id, True, "")
    assert not await set_enabled(connection, found.endpoint_id, True, "")
    assert await find_endpoint(connection, found.endpoint_id) == found


async def test_what_was_scheduled_before_is_a_duplicate_though_it_is_wanted_no_more(connection: Connection) -> None:
    found = (await endpoint(connection)).endpoint_id
    new = NewDelivery(event_id=uuid4(), job_id=uuid4(), type="job.completed", payload={}, asked=b"one")
    assert await add(connection, found, new) is Scheduling.SCHEDULED
    await change_endpoint(connection, found, {"events": ["job.failed"]})
    assert await add(connection, found, new) is Scheduling.DUPLICATE
    await delete_endpoint(connection, found)
    assert await add(connection, found, new) is Scheduling.UNWANTED


async def test_a_forgotten_endpoint_leaves_nothing_and_begins_anew(connection: Connection) -> None:
    found = await endpoint(connection)
    secret = await read_secret(connection, BOX, found.endpoint_id)
    await rotate_secret(connection, BOX, found.endpoint_id)
    new = NewDelivery(event_id=uuid4(), job_id=None, type="webhook.test", payload={}, asked=None)
    assert await add(connection, found.endpoint_id, new) is Scheduling.SCHEDULED
    assert await delete_endpoint(connection, found.endpoint_id)
    assert not await delete_endpoint(connection, found.endpoint_id)
    for table in ("webhook_endpoints", "webhook_old_secrets", "webhook_sequences", "webhook_deliveries"):
        assert await (await connection.execute(f"SELECT 1 FROM {table}")).fetchall() == []
    again = await endpoint(connection)
    assert again.endpoint_id == found.endpoint_id
    assert await read_secret(connection, BOX, again.endpoint_id) != secret


async def test_an_endpoint_that_is_forgotten_while_it_is_used_is_registered_again(db: Database) -> None:
    async with db.transaction() as connection:
        found = await endpoint(connection)

    async def schedule() -> Scheduling:
        async with db.transaction() as connection:
            here = await register_endpoint(connection, "acme", found.url, BOX.new_secret(found.endpoint_id))
            new = NewDelivery(event_id=uuid4(), job_id=None, type="webhook.test", payload={}, asked=None)
            return await add(connection, here, new)

    async with db.transaction() as connection:
        assert await delete_endpoint(connection, found.endpoint_id)
        scheduling = asyncio.create_task(schedule())
        await waits_for_a_lock(db)
    assert await scheduling is Scheduling.SCHEDULED
    async with db.connection() as connection:
        assert len(await list_endpoints(connection)) == 1


async def waits_for_a_lock(db: Database) -> None:
    """Asked outside of transactions, within which the list of sessions stays as it was at the first look."""
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with db.session() as session, asyncio.timeout(60):
        while not await (await session.execute(query)).fetchall():
            await asyncio.sleep(0.01)


async def old_secrets(connection: Connection) -> int:
    return len(await (await connection.execute("SELECT 1 FROM webhook_old_secrets")).fetchall())


async def test_a_rotated_secret_signs_along_until_its_time_is_over(connection: Connection) -> None:
    found = await endpoint(connection)
    before = await read_secret(connection, BOX, found.endpoint_id)
    rotated = await rotate_secret(connection, BOX, found.endpoint_id, 3600)
    assert rotated is not None
    assert rotated.secret == await read_secret(connection, BOX, found.endpoint_id) != before
    assert len(parse_secret(rotated.secret)) == 32
    seen = await find_endpoint(connection, found.endpoint_id)
    assert seen is not None
    assert seen.old_secret_until == rotated.old_secret_until
    assert await forget_old_secrets(connection) == 0
    await connection.execute("UPDATE webhook_old_secrets SET until = now()")
    assert await forget_old_secrets(connection) == 1
    assert await find_endpoint(connection, found.endpoint_id) == found


async def test_a_rotation_without_overlap_ends_all_older_secrets(connection: Connection) -> None:
    found = await endpoint(connection)
    for _ in range(MAX_OLD_SECRETS + 2):
        await rotate_secret(connection, BOX, found.endpoint_id, 3600)
    assert await old_secrets(connection) == MAX_OLD_SECRETS
    rotated = await rotate_secret(connection, BOX, found.endpoint_id, 0)
    assert rotated is not None
    assert rotated.old_secret_until is None
    assert await old_secrets(connection) == 0
    assert await rotate_secret(connection, BOX, uuid4()) is None


async def test_the_key_itself_is_changed_without_a_pause(db: Database) -> None:
    """Old key alone, both with the new one first, everything encrypted anew, new key alone."""
    both = box_of(NEW_KEY, OLD_KEY)
    async with db.transaction() as connection:
        found = await endpoint(connection)
        await rotate_secret(connection, BOX, found.endpoint_id)
        secret = await read_secret(connection, both, found.endpoint_id)
        with pytest.raises(SettingsError, match="another key"):
            await read_secret(connection, box_of(NEW_KEY), found.endpoint_id)
    assert await reseal_secrets(db, both) == 2
    assert await reseal_secrets(db, both) == 0
    async with db.connection() as connection:
        assert await read_secret(connection, box_of(NEW_KEY), found.endpoint_id) == secret
        with pytest.raises(SettingsError, match="another key"):
            await read_secret(connection, BOX, found.endpoint_id)
