"""Legal holds: set, listed and released; whoever deletes and whoever sets one wait for each other."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from schemas.errors import Permanent
from sink.postgres.database import Database
from sink.tenants.legal_holds import block_new_holds, hold_on, holds_blocked, list_holds, release_hold, set_hold
from tests.sink.bulk import fill

pytestmark = pytest.mark.anyio


async def test_a_hold_is_set_listed_and_released(database: str, db: Database) -> None:
    job_id = fill(database, None, 1, datetime.now(UTC)).job_ids[0]
    async with db.transaction() as connection:
        await set_hold(connection, "acme", job_id, "case 17")
        await set_hold(connection, "acme", job_id, "case 17, extended")
        await set_hold(connection, "globex", None, "case 18", unknown_too=True)
        holds = await list_holds(connection)
        assert [(h.tenant, h.job_id, h.reason) for h in holds] == [
            ("acme", job_id, "case 17, extended"),
            ("globex", None, "case 18"),
        ]
        assert await list_holds(connection, "globex") == holds[1:]
        assert await hold_on(connection, "acme", job_id) == holds[0]
        assert await hold_on(connection, "acme", uuid4()) is None
        assert await hold_on(connection, "globex", uuid4()) == holds[1]
        assert await release_hold(connection, "acme", job_id)
        assert not await release_hold(connection, "acme", job_id)


async def test_only_a_job_of_the_tenant_can_be_held(database: str, db: Database) -> None:
    job_id = fill(database, None, 1, datetime.now(UTC)).job_ids[0]
    async with db.transaction() as connection:
        for tenant, wanted in (("globex", job_id), ("acme", uuid4())):
            with pytest.raises(Permanent, match="There is no such thing"):
                await set_hold(connection, tenant, wanted, "case")


async def test_a_misspelt_tenant_is_not_held_by_mistake(database: str, db: Database) -> None:
    fill(database, None, 1, datetime.now(UTC))
    async with db.transaction() as connection:
        with pytest.raises(Permanent, match="nothing is known of a tenant acmee"):
            await set_hold(connection, "acmee", None, "case 17")
        await set_hold(connection, "acme", None, "case 17")
        await set_hold(connection, "acmee", None, "case 17", unknown_too=True)


async def test_a_hold_waits_for_whoever_deletes_at_the_moment(db: Database) -> None:
    """And is in force when it is set: nothing that it was too late for is deleted after it."""
    order: list[str] = []

    async def hold(tenant: str) -> None:
        async with db.transaction() as connection:
            await set_hold(connection, tenant, None, "case", unknown_too=True)
        order.append(f"{tenant} held")

    async with db.transaction() as connection:
        await block_new_holds(connection)
        waiting = asyncio.create_task(hold("acme"))
        await asyncio.sleep(0.2)
        order.append("deleted")
    await waiting
    async with db.session() as session:
        async with holds_blocked(session):
            waiting = asyncio.create_task(hold("globex"))
            await asyncio.sleep(0.2)
            order.append("deleted")
        await waiting
    assert order == ["deleted", "acme held", "deleted", "globex held"]
