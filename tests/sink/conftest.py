"""What the tests of the adapters share."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    """A database of the test's own, open."""
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as opened:
        yield opened


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a recording is fetched to."""
    return tmp_path / "recording"
