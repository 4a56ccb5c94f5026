"""Rate limits of keys as clients meet them: over REST, in OpenAI's shape, on the page, and in streams."""

from collections.abc import Iterator

import httpx
import pytest

from sink.memory import MemoryObjectStore
from sink.tenants.api_keys import create_key
from tests.integration.rest import check_openai_error, check_problem
from tests.integration.shim import RunningShim, in_database, serving

MODELS = "/api/v1/models"


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


def limited(shim: RunningShim, requests_per_minute: int | None) -> httpx.Client:
    key = in_database(shim.dsn, lambda db: create_key(db, "acme", requests_per_minute=requests_per_minute))
    return shim.client(key)


def test_a_key_hears_of_its_limit_with_every_answer(shim: RunningShim) -> None:
    with limited(shim, 600) as client:
        for path, status in ((MODELS, 200), ("/api/v1/jobs/nonsense", 422), ("/v1/models", 200)):
            answer = client.get(path)
            assert answer.status_code == status
            assert answer.headers["ratelimit-policy"] == '"key";q=600;w=60'
            assert answer.headers["ratelimit"].startswith('"key";r=59')


def test_a_key_without_a_limit_hears_of_none(shim: RunningShim) -> None:
    with limited(shim, None) as client:
        assert not {"ratelimit", "ratelimit-policy"} & set(client.get(MODELS).headers)


def test_one_request_too_many_is_refused_with_the_time_to_wait(shim: RunningShim) -> None:
    with limited(shim, 2) as client, limited(shim, 2) as neighbour:
        assert [client.get(MODELS).status_code for _ in range(2)] == [200, 200]
        refused = client.post("/api/v1/transcribe", json={"url": "https://media.example/a.wav"})
        check_problem(refused, 429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert refused.headers["ratelimit"].startswith('"key";r=0;t=')
        # nobody else waits for it, and health is answered to everybody
        assert neighbour.get(MODELS).status_code == 200
        assert client.get("/livez").status_code == 200


def test_openai_clients_are_refused_in_their_shape(shim: RunningShim) -> None:
    with limited(shim, 1) as client:
        assert client.get("/v1/models").status_code == 200
        refused = client.get("/v1/models")
        check_openai_error(refused, 429, "rate_limited")
        assert int(refused.headers["retry-after"]) >= 1


def test_a_session_of_the_page_uses_up_the_limit_of_its_key(shim: RunningShim) -> None:
    key = in_database(shim.dsn, lambda db: create_key(db, "acme", requests_per_minute=2))
    with httpx.Client(base_url=shim.url, timeout=90, trust_env=False) as browser:
        own = {"Origin": shim.url}
        assert browser.post("/session", json={"key": key}, headers=own).status_code == 200
        assert [browser.get(MODELS).status_code for _ in range(3)] == [200, 200, 429]
        # the page itself is still there
        assert browser.get("/").status_code == 200


def test_wrong_keys_are_not_counted_against_anybody(shim: RunningShim) -> None:
    with limited(shim, 2) as client:
        good = client.headers["X-API-Key"]
        wrong = good[:-1] + ("a" if good[-1] != "a" else "b")
        assert {client.get(MODELS, headers={"X-API-Key": wrong}).status_code for _ in range(5)} == {401}
        assert client.get(MODELS).status_code == 200


def test_a_limit_of_all_keys_is_that_of_keys_without_one(database: str) -> None:
    with (
        serving(database, MemoryObjectStore(), requests_per_minute=1) as shim,
        limited(shim, None) as client,
        limited(shim, 3) as favoured,
    ):
        assert [client.get(MODELS).status_code for _ in range(2)] == [200, 429]
        assert [favoured.get(MODELS).status_code for _ in range(3)] == [200, 200, 200]
