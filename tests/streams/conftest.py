"""What the tests of the streams share."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from schemas.settings.stores import PostgresSettings
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from streams.agents.persist import Persist
from tests.streams.webhook_harness import WebhookHarness


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    """The fresh database, opened."""
    settings = PostgresSettings.model_validate({"postgres_dsn": database, "postgres_pool_size": 4})
    # hundreds wait for four connections, and the machine may stand still meanwhile
    async with Database.open(settings, timeout=60) as opened:
        yield opened


@pytest.fixture
def world(db: Database, object_store: S3ObjectStore) -> Iterator[WebhookHarness]:
    with ExitStack() as stack:
        yield WebhookHarness(db, object_store, stack)


@pytest.fixture
def persist(db: Database, object_store: S3ObjectStore) -> Persist:
    return Persist(db, object_store)
