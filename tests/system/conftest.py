"""The whole service on real parts, started once for all tests of this folder."""

from collections.abc import Iterator

import pytest

from deploy.local.receiver import Receiver
from deploy.local.service import ServiceProcesses
from deploy.local.stack import Stack
from tests.collector import Collector
from tests.system.client import Client

# limits that a small recording reaches, and retries that a test can wait for
SMALL = {
    "SCRIBE_TIME_SCALE": "0.01",
    "SCRIBE_INLINE_MAX_BYTES": "6000",
    "SCRIBE_FETCH_MAX_BYTES": "6000000",
    "SCRIBE_UPLOAD_MAX_BYTES": "6000000",
}


@pytest.fixture(scope="package")
def system_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own: these tests use the real topic names and kill what they like."""
    with Stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    """What the spans of all processes are told to."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="package")
def client(system_stack: Stack, collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A running service and a client with a key."""
    environment = system_stack.environment() | SMALL | {"SCRIBE_OTLP_ENDPOINT": collector.endpoint}
    service = ServiceProcesses(environment, tmp_path_factory.mktemp("service"))
    try:
        key = service.prepare()
        service.start()
        service.wait_ready()
        service.wait_for_consent()
        with Client(service, key) as client:
            yield client
    finally:
        service.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver that accepts everything."""
    with Receiver() as receiver:
        yield receiver
