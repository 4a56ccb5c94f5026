"""Webhooks that older versions scheduled, before and during an upgrade: none is lost, none comes before its result."""

import shutil
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from schemas.settings.outbound import OutboundSettings
from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Connection, Database
from sink.postgres.migrate import FOLDER, migrate
from sink.webhooks.deliveries import NewDelivery, Scheduling, add, endpoint_id, release_missed
from sink.webhooks.leases import LeasedDelivery, LeaseGrant, lease, lock_endpoints, queues
from sink.webhooks.secrets import SecretBox, new_key

pytestmark = pytest.mark.anyio
URL = "https://acme.example/hook"
ENDPOINT = endpoint_id("acme", URL)
BOX = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": new_key()}))
# as the version before wrote it
OLD_ADD = (
    "INSERT INTO webhook_deliveries"
    " (delivery_id, event_id, endpoint_id, job_id, type, payload, asked, state, ended_at)"
    " SELECT %s, %s, endpoint_id, %s, 'job.completed', '{}', 'mine',"
    " CASE state WHEN 'enabled' THEN 'pending' ELSE 'disabled' END, CASE state WHEN 'enabled' THEN NULL ELSE now() END"
    " FROM webhook_endpoints WHERE endpoint_id = %s ON CONFLICT DO NOTHING"
)
OLD_APPLY = "INSERT INTO applied_events (event_id, job_id, asked, error) VALUES (%s, %s, %s, %s)"


@pytest.fixture
def old(database: str, tmp_path: Path) -> str:
    """A database of the version before, with one endpoint."""
    for path in FOLDER.glob("000*.sql"):
        shutil.copy(path, tmp_path)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        migrate(database, tmp_path)
        secret = BOX.new_secret(ENDPOINT)
        connection.execute(
            "INSERT INTO webhook_endpoints (endpoint_id, tenant, url, secret) VALUES (%s, 'acme', %s, %s)",
            [ENDPOINT, URL, secret],
        )
    return database


def scheduled(connection: psycopg.Connection[Any]) -> UUID:
    """A delivery by the older version; its id is that of its event."""
    event = uuid4()
    connection.execute(OLD_ADD, [event, event, uuid4(), ENDPOINT])
    return event


def apply(connection: psycopg.Connection[Any], event: UUID, asked: bytes = b"mine", error: str | None = None) -> None:
    connection.execute(OLD_APPLY, [event, uuid4(), asked, error])


async def due(connection: Connection) -> list[LeasedDelivery]:
    """What a dispatcher of this version sends."""
    found = await queues(connection, per_endpoint=9, attempts=20)
    await lock_endpoints(connection, [queue.endpoint_id for queue in found])
    return await lease(connection, {queue.endpoint_id: LeaseGrant(slots=9, level=9) for queue in found}, attempts=20)


async def test_what_was_scheduled_before_is_sent_when_its_event_is_applied(old: str) -> None:
    with psycopg.connect(old, autocommit=True) as connection:
        ready, waiting, failed, others, later = (scheduled(connection) for _ in range(5))
        for event in (ready, later):
            apply(connection, event)
        apply(connection, failed, error='{"code": "internal"}')
        apply(connection, others, asked=b"another's")
        connection.execute(
            "UPDATE webhook_deliveries SET attempt = 3, next_attempt_at = now() + interval '1 hour' WHERE event_id = %s",
            [later],
        )
        migrate(old)
    async with Database.open(PostgresSettings(postgres_dsn=old)) as db:
        async with db.transaction() as owner:
            calls = {call.delivery_id: call for call in await due(owner)}
            assert calls.keys() == {ready, failed}
            assert calls[ready].error is None
            assert calls[failed].error == {"code": "internal"}
            assert calls[ready].sequence is None
        with psycopg.connect(old, autocommit=True) as connection:
            apply(connection, waiting)
        async with db.transaction() as owner:
            assert await release_missed(owner) == 1
            assert [call.delivery_id for call in await due(owner)] == [waiting]


async def test_older_processes_go_on_beside_newer_ones(old: str) -> None:
    """Their deliveries are born gated, and released by the newer dispatcher's sweep."""
    with psycopg.connect(old, autocommit=True) as connection:
        migrate(old)
        event = scheduled(connection)
    async with Database.open(PostgresSettings(postgres_dsn=old)) as db:
        async with db.transaction() as owner:
            assert await due(owner) == []
            assert await release_missed(owner) == 0
        with psycopg.connect(old, autocommit=True) as connection:
            apply(connection, event)
        async with db.transaction() as owner:
            assert await release_missed(owner) == 1
            new = NewDelivery(event_id=uuid4(), job_id=None, type="webhook.test", payload={}, asked=None)
            assert await add(owner, ENDPOINT, new) is Scheduling.SCHEDULED
            assert sorted(call.sequence or 0 for call in await due(owner)) == [0, 1]
