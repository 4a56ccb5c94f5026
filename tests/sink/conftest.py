"""What the tests of the adapters share."""

import socket
import ssl
from collections.abc import Iterator
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
def deaf_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody can begin to until the test is over."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a recording is fetched to."""
    return tmp_path / "recording"
