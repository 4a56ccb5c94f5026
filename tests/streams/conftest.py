"""What the tests of the streams share."""

from collections.abc import AsyncIterator

import pytest

from schemas.settings import PostgresSettings
from sink.postgres import Database


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    """The fresh database, opened."""
    settings = PostgresSettings.model_validate({"postgres_dsn": database, "postgres_pool_size": 4})
    async with Database.open(settings) as opened:
        yield opened
