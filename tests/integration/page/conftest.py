"""One shim and one browser for all tests of a file; each test has a tenant and a window of its own."""

import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from playwright.sync_api import Browser

from deploy.local.stack import Stack
from sink.memory import MemoryObjectStore
from sink.tenants.sessions import SessionCache
from sink.webhooks.secrets import SecretBox
from tests.integration.page.visits import PageVisit, elsewhere, launched, visiting
from tests.integration.shim import RunningShim, serving


@pytest.fixture(scope="module")
def shim(postgres_server: Stack, _migrated: str, _dropped_later: Callable[[str], object]) -> Iterator[RunningShim]:
    name = f"test_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.postgres_dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {_migrated}")
    box, sessions = SecretBox([bytes(32)]), SessionCache(seconds=0)  # what ended has ended at once
    with serving(postgres_server.postgres_dsn(name), MemoryObjectStore(), secrets=box, sessions=sessions) as running:
        yield running
    _dropped_later(name)


@pytest.fixture(scope="module")
def browser(shim: RunningShim) -> Iterator[Browser]:
    with launched() as opened:
        yield opened


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def key(shim: RunningShim, tenant: str) -> str:
    return elsewhere(lambda: shim.key_of(tenant))


@pytest.fixture
def visit(browser: Browser, shim: RunningShim, key: str) -> Iterator[PageVisit]:
    """A visitor who has logged in, and of whose visit the browser has nothing to complain."""
    with visiting(browser, shim.url) as visit:
        visit.log_in(key)
        yield visit
    assert visit.faults == []
