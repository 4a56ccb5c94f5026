"""What the tests of the client share."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from producers.api.events.hub import EventHub
from producers.client import Client
from sink.http.client import check_url
from sink.objects.s3 import S3ObjectStore
from tests.integration.client.clients import KINDS, Kind, Opener, opened
from tests.integration.dispatching import BOX, OUTBOUND
from tests.integration.shim import RunningShim, serving


@pytest.fixture
def shim(database: str, object_store: S3ObjectStore) -> Iterator[RunningShim]:
    check = partial(check_url, settings=OUTBOUND, environment="development")
    events = EventHub(pause=0.02)
    with serving(
        database, object_store, check_address=check, secrets=BOX, events=events, llm_models=("small",)
    ) as running:
        yield running


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture
def client_of(kind: Kind) -> Iterator[Opener]:
    """A way to open clients of the kind that is tested."""
    with ExitStack() as stack:

        def open_client(url: str, key: str = "sr_live_x", **options: Any) -> Client:
            return stack.enter_context(opened(kind, url, key, **options))

        yield open_client


@pytest.fixture
def api(shim: RunningShim, client_of: Opener) -> Client:
    """A client of acme."""
    return client_of(shim.url, shim.key)
