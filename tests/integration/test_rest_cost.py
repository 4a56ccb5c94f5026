"""What a request costs: round trips to the database, and that nothing is made again that was made before."""

from collections.abc import Callable, Iterator
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from producers.api.app import create_app
from producers.api.webhooks import payloads
from producers.waiting.forecast_cache import ForecastCache
from sink.memory import MemoryObjectStore
from sink.tenants.api_keys import KeyCache, create_key
from tests.integration.rest import URL
from tests.integration.shim import RunningShim, in_database, serving
from tests.sink.counting_proxy import CountingProxy, counting


@pytest.fixture
def proxy(database: str) -> Iterator[CountingProxy]:
    target = conninfo_to_dict(database)
    with counting((str(target["host"]), int(str(target["port"])))) as running:
        yield running


@pytest.fixture
def shim(database: str, proxy: CountingProxy) -> Iterator[RunningShim]:
    """A shim whose every word to the database is counted, and for which keys and forecasts stay as new."""
    counted = make_conninfo(database, host="127.0.0.1", port=proxy.port)
    keys, forecasts = KeyCache(now=lambda: 0.0), ForecastCache(clock=lambda: 0.0)
    with serving(counted, MemoryObjectStore(), keys=keys, forecasts=forecasts) as running:
        yield running


def test_round_trips_of_each_request(
    shim: RunningShim, client: httpx.Client, proxy: CountingProxy, database: str
) -> None:
    """The key and the queue are looked up once in a while, the policy until the first job; from then on one question a request."""

    def trips(call: Callable[[], httpx.Response], status: int) -> int:
        before = proxy.trips
        assert call().status_code == status
        return proxy.trips - before

    def submit() -> httpx.Response:
        return client.post("/api/v1/transcribe", json={"url": URL, "language": "he"})

    assert client.get("/api/v1/models").status_code == 200  # by now there is a connection, and the key is known
    first, second, third = (trips(submit, 202) for _ in range(3))
    # BEGIN, the role, the policy, COMMIT; then the call
    assert (first, second, third) == (5, 1, 1)
    job = client.post("/api/v1/transcribe", json={"url": URL}).headers["location"]
    # once in a while: BEGIN, a time limit, what waits, runs and was done, the time, COMMIT
    assert trips(lambda: client.get(job), 200) <= 1 + 8
    assert [trips(lambda: client.get(job), 200) for _ in range(2)] == [1, 1]
    other = in_database(database, lambda db: create_key(db, "acme"))
    with shim.client(other) as newcomer:
        assert [trips(lambda: newcomer.get(job), 200) for _ in range(2)] == [2, 1]
    for path in ("/livez", "/openapi.json", "/api/v1/models"):
        assert trips(partial(client.get, path), 200) == 0


def test_a_rate_limit_costs_a_round_trip_for_a_second_of_requests(
    shim: RunningShim, proxy: CountingProxy, database: str
) -> None:
    a_second = 50
    limited = in_database(database, lambda db: create_key(db, "acme", requests_per_minute=60 * a_second))
    with shim.client(limited) as client:
        assert client.get("/api/v1/models").status_code == 200  # by now the key is known, and a second's worth taken
        before = proxy.trips
        for _ in range(a_second):
            assert client.get("/api/v1/models").status_code == 200
    # what was taken is kept for five seconds, and this may take longer
    assert 1 <= proxy.trips - before <= 1 + 10


def test_the_document_is_made_once_and_not_for_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(make: Callable[..., object], name: str) -> Callable[..., object]:
        def run(*args: object) -> object:
            made.append(name)
            return make(*args)

        return run

    monkeypatch.setattr(FastAPI, "openapi", counted(FastAPI.openapi, "document"))
    monkeypatch.setattr(payloads, "schemas", counted(payloads.schemas, "schemas"))
    app = create_app(None)  # type: ignore[arg-type]
    assert made == []
    assert app.openapi() is app.openapi()
    assert made == ["document", "schemas"]
