"""What the tests of the adapters share."""

import ssl
from pathlib import Path

import pytest
import trustme


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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
