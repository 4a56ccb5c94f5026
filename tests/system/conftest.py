"""The whole service on real parts, started once for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.receiver import Receiver
from deploy.local.stack import Stack
from tests.collector import Collector
from tests.recordings import HEBREW
from tests.system.client import Client, running
from tests.system.sound import write_beginning


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
    with running(system_stack, collector, tmp_path_factory.mktemp("service")) as client:
        yield client


@pytest.fixture(scope="package")
def short_call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sentences, for tests of the service around the models."""
    return write_beginning(HEBREW.path, HEBREW.said[1].end, tmp_path_factory.mktemp("sound") / "short.wav")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver that accepts everything."""
    with Receiver() as receiver:
        yield receiver
