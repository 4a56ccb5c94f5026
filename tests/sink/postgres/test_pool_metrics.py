"""The pool as its metrics show it: connections in use, and those who wait for one."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database

pytestmark = pytest.mark.anyio


def told(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"scribe_rabbit_database_{name}", {"role": "primary", **labels})


async def test_a_full_pool_is_seen(database: str) -> None:
    settings = PostgresSettings(postgres_dsn=database, postgres_pool_size=2)
    async with Database.open(settings) as db, db.connection(), db.connection():
        assert (told("connections", state="used"), told("connections", state="most")) == (2, 2)

        async def third() -> None:
            async with db.connection():
                pass

        task = asyncio.create_task(third())
        while told("requests_waiting") != 1:
            await asyncio.sleep(0)
    await task


async def test_a_pool_that_is_gone_has_no_connections(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)):
        pass
    assert told("connections", state="used") == 0
