"""Prepared statements of the shim's connections: none for proxies that know none, kept where the setting says so."""

import pytest

from producers.api.__main__ import open_services
from schemas.settings.processes import ApiProcess

pytestmark = pytest.mark.anyio
MORE_THAN_THE_THRESHOLD = 7  # executions after which psycopg prepares a statement


@pytest.mark.parametrize("prepare", [False, True])
async def test_statements_are_prepared_where_the_setting_says_so(database: str, prepare: bool) -> None:
    given = {"postgres_dsn": database, "postgres_pool_size": 1, "api_prepare_statements": prepare}
    async with open_services(ApiProcess.model_validate(given)) as services:
        for _ in range(MORE_THAN_THE_THRESHOLD):
            async with services.database.transaction() as connection:
                await connection.execute("SELECT 1")
        async with services.database.transaction() as connection:
            cursor = await connection.execute("SELECT count(*) AS kept FROM pg_prepared_statements")
            assert bool((await cursor.fetchall())[0]["kept"]) == prepare
