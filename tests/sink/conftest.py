"""What the tests of the adapters share."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
