"""Webhooks over REST where there are many: endpoints by the page and up to a number, redelivery page by page, what is over."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from sink.memory import MemoryObjectStore
from sink.postgres.database import Connection
from sink.webhooks.deliveries import NewDelivery, Scheduling, add, delivery_id, endpoint_id, register_endpoint
from tests.integration.dispatching import BOX
from tests.integration.faust_process import until
from tests.integration.rest import check_problem
from tests.integration.shim import RunningShim, in_transaction, serving

ENDPOINTS, DELIVERIES = "/api/v1/webhooks/endpoints", "/api/v1/webhooks/deliveries"
TEST = "/api/v1/webhook/test"
SINCE = {"since": "2020-01-01T00:00:00Z"}


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore(), secrets=BOX, webhook_max_endpoints=3) as running:
        yield running


def url(number: int) -> str:
    return f"https://acme.example/{number}"


def schedule(shim: RunningShim, number: int, to: str = url(0), **columns: Any) -> list[UUID]:
    """Deliveries to an address as the webhooks app writes them, some of their columns changed."""

    async def work(connection: Connection) -> list[UUID]:
        endpoint = await register_endpoint(connection, "acme", to, BOX.new_secret(endpoint_id("acme", to)))
        news = [
            NewDelivery(event_id=uuid4(), job_id=None, type="job.completed", payload={"n": n}, asked=None)
            for n in range(number)
        ]
        for new in news:
            assert await add(connection, endpoint, new) is Scheduling.SCHEDULED
        for name, value in columns.items():
            await connection.execute(f"UPDATE webhook_deliveries SET {name} = {value}".encode())
        return [delivery_id(new.event_id, endpoint) for new in news]

    return in_transaction(shim.dsn, work)


def test_a_tenant_registers_so_many_endpoints_and_no_more_while_jobs_register_theirs(
    shim: RunningShim, client: httpx.Client
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: client.post(ENDPOINTS, json={"url": url(n)}), range(8)))
    made = [answer for answer in answers if answer.status_code == 201]
    assert len(made) == 3
    for answer in answers:
        if answer not in made:
            assert "3, those that jobs named among them" in check_problem(answer, 409, "too_many_endpoints")["detail"]
    assert client.post(ENDPOINTS, json={"url": made[0].json()["url"]}).status_code == 200
    check_problem(client.post(TEST, json={"url": url(9), "wait_seconds": 0}), 409, "too_many_endpoints")
    assert client.post(TEST, json={"url": made[0].json()["url"], "wait_seconds": 0}).status_code == 202
    schedule(shim, 1, url(10))  # a job is told of, whatever the number
    assert len(client.get(ENDPOINTS).json()["endpoints"]) == 4
    with shim.client(shim.key_of("globex")) as other:
        assert other.post(ENDPOINTS, json={"url": url(0)}).status_code == 201
    for answer in made[:2]:
        client.delete(answer.json()["links"]["self"])
    assert client.post(ENDPOINTS, json={"url": url(11)}).status_code == 201


def test_endpoints_are_listed_page_by_page(shim: RunningShim, client: httpx.Client) -> None:
    for number in range(7):
        schedule(shim, 1, url(number))
    with psycopg.connect(shim.dsn) as connection:  # several of the same time: their ids decide
        connection.execute("UPDATE webhook_endpoints SET created_at = '2026-01-01' WHERE url < %s", [url(4)])
    seen: list[dict[str, Any]] = []
    params: dict[str, Any] = {"limit": 3}
    for size in (3, 3, 1):
        page = client.get(ENDPOINTS, params=params).json()
        assert len(page["endpoints"]) == size
        seen += page["endpoints"]
        params["cursor"] = page["next_cursor"]
    assert params["cursor"] is None
    assert [found["created_at"] for found in seen] == sorted(found["created_at"] for found in seen)
    assert {found["url"] for found in seen} == {url(number) for number in range(7)}
    for wrong in ({"cursor": "nonsense"}, {"limit": 0}, {"limit": 201}):
        check_problem(client.get(ENDPOINTS, params=wrong), 422, "invalid_request")


def test_redelivery_goes_on_where_a_call_ended(
    shim: RunningShim, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.jobs.webhooks.MAX_REDELIVERED", 2)
    schedule(shim, 5, state="'delivered'", ended_at="now()")
    path = f"{ENDPOINTS}/{endpoint_id('acme', url(0))}/redeliver"
    body: dict[str, Any] = {**SINCE, "only_failed": False}
    for number in (2, 2, 1):
        answer = client.post(path, json=body)
        assert (answer.status_code, answer.json()["redelivered"]) == (202, number)
        body["cursor"] = answer.json()["next_cursor"]
    assert body["cursor"] is None
    check_problem(client.post(path, json={**SINCE, "cursor": "nonsense"}), 422, "invalid_request")


def test_what_cannot_be_sent_again_says_why(shim: RunningShim, client: httpx.Client) -> None:
    (over,) = schedule(shim, 1, state="'exhausted'", ended_at="now()", cleared_at="now()", payload="'{}'")
    gone = check_problem(client.post(f"{DELIVERIES}/{over}/redeliver"), 410, "payload_gone")
    assert "its time was over" in gone["detail"]
    assert client.get(f"{DELIVERIES}/{over}").json()["cleared_at"]
    endpoint = f"{ENDPOINTS}/{endpoint_id('acme', url(0))}"
    assert client.post(f"{endpoint}/redeliver", json=SINCE).json() == {"redelivered": 0, "next_cursor": None}
    (running,) = schedule(shim, 1, lease_token="gen_random_uuid()", lease_until="now() + interval '1 min'")
    busy = check_problem(client.post(f"{DELIVERIES}/{running}/redeliver"), 409, "being_sent")
    assert "tried again by its schedule if that fails" in busy["detail"]
    client.patch(endpoint, json={"state": "disabled"})
    check_problem(client.post(f"{DELIVERIES}/{running}/redeliver"), 409, "endpoint_disabled")


def test_one_that_waits_for_its_next_attempt_waits_no_longer(shim: RunningShim, client: httpx.Client) -> None:
    (waiting,) = schedule(shim, 1, next_attempt_at="now() + interval '10 hours'", attempt="5")
    before = client.get(f"{DELIVERIES}/{waiting}").json()["next_attempt_at"]
    again = client.post(f"{DELIVERIES}/{waiting}/redeliver")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert again.json()["next_attempt_at"] < before


def test_what_takes_too_long_to_find_is_given_up_and_said_so(database: str) -> None:
    with (
        serving(database, MemoryObjectStore(), query_seconds=0.05) as shim,
        shim.client() as client,
        psycopg.connect(shim.dsn) as connection,
    ):
        connection.execute("LOCK TABLE webhook_endpoints, webhook_deliveries, segment_search IN ACCESS EXCLUSIVE MODE")
        for path in (ENDPOINTS, DELIVERIES, "/api/v1/search?q=word"):
            problem = check_problem(client.get(path), 422, "search_too_broad")
            assert "given up after 0.05 s" in problem["detail"]
        connection.rollback()
        # 0.05 s may be too little for any statement while the machine is busy
        until("an answer", lambda: client.get(ENDPOINTS).status_code == 200)
