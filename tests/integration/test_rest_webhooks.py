"""Webhooks over REST: endpoints, secrets, the delivery history, redelivery and tests, each tenant for itself."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from deploy.local.receiver import Received, Receiver
from schemas.webhooks.deliveries import MAX_WAIT_SECONDS
from sink.http.client import check_url
from sink.memory import MemoryObjectStore
from sink.postgres.database import Connection
from sink.tenants.legal_holds import set_hold
from sink.webhooks.deliveries import NewDelivery, Scheduling, add
from tests.integration.dispatching import BOX, OUTBOUND, dispatching
from tests.integration.rest import check_problem
from tests.integration.shim import RunningShim, in_transaction, serving

URL = "https://acme.example/hook"
ENDPOINTS, DELIVERIES = "/api/v1/webhooks/endpoints", "/api/v1/webhooks/deliveries"
TEST = "/api/v1/webhook/test"


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    check = partial(check_url, settings=OUTBOUND, environment="development")
    with serving(database, MemoryObjectStore(), check_address=check, secrets=BOX) as running:
        yield running


def registered(client: httpx.Client, url: str = URL, **fields: Any) -> dict[str, Any]:
    answer = client.post(ENDPOINTS, json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == answer.json()["links"]["self"]
    return dict(answer.json())


def test_an_endpoint_is_registered_read_changed_and_forgotten(client: httpx.Client) -> None:
    made = registered(client, description="CRM", max_per_second=5)
    path = made["links"]["self"]
    assert client.get(path).json() == made == client.get(ENDPOINTS).json()["endpoints"][0]
    assert (made["state"], made["description"], made["max_per_second"], made["paused_until"]) == (
        "enabled",
        "CRM",
        5,
        None,
    )
    assert made["events"] is None
    again = client.post(ENDPOINTS, json={"url": URL, "max_per_second": None})
    assert (again.status_code, again.json()) == (200, made | {"max_per_second": None})
    disabled = client.patch(path, json={"state": "disabled"}).json()
    assert (disabled["state"], disabled["reason"], disabled["description"]) == (
        "disabled",
        "disabled by its owner",
        "CRM",
    )
    assert disabled["disabled_at"]
    enabled = client.patch(path, json={"state": "enabled", "description": ""}).json()
    assert enabled == made | {"description": "", "max_per_second": None}
    assert client.delete(path).status_code == 204
    check_problem(client.get(path), 404, "not_found")
    assert client.get(ENDPOINTS).json() == {"endpoints": [], "next_cursor": None}


def test_the_events_of_an_endpoint_are_chosen_and_chosen_again(client: httpx.Client) -> None:
    made = registered(client, events=["job.failed", "job.completed", "job.failed"])
    path = made["links"]["self"]
    assert made["events"] == ["job.completed", "job.failed"]
    assert client.patch(path, json={"description": "CRM"}).json()["events"] == made["events"]
    assert client.patch(path, json={"events": ["enhancement.failed"]}).json()["events"] == ["enhancement.failed"]
    assert client.patch(path, json={"events": None}).json()["events"] is None


def test_a_secret_is_shown_to_its_owner_and_rotated(client: httpx.Client) -> None:
    path = registered(client)["links"]["self"]
    first = client.get(f"{path}/secret")
    assert first.headers["cache-control"] == "no-store"
    assert first.json()["secret"].startswith("whsec_")
    assert first.json()["old_secret_until"] is None
    rotated = client.post(f"{path}/rotate-secret")
    assert rotated.headers["cache-control"] == "no-store"
    assert rotated.json()["old_secret_until"]
    assert rotated.json() == client.get(f"{path}/secret").json() != first.json()
    at_once = client.post(f"{path}/rotate-secret", json={"overlap_seconds": 0}).json()
    assert at_once["old_secret_until"] is None
    assert len({first.json()["secret"], rotated.json()["secret"], at_once["secret"]}) == 3


def test_a_test_is_sent_signed_and_its_outcome_answered(client: httpx.Client, shim: RunningShim) -> None:
    with ExitStack() as stack:
        taking = stack.enter_context(Receiver())
        refusing = stack.enter_context(Receiver(lambda _: 418))
        stack.enter_context(dispatching(shim.dsn))
        taken = client.post(TEST, json={"url": taking.url, "wait_seconds": MAX_WAIT_SECONDS})
        refused = client.post(TEST, json={"url": refusing.url, "wait_seconds": MAX_WAIT_SECONDS})
    assert (taken.status_code, taken.json()["state"], taken.json()["status"]) == (200, "delivered", 204)
    (call,) = taking.calls
    secret = client.get(taken.json()["links"]["endpoint"] + "/secret").json()["secret"]
    assert call.verified(secret) == taken.json()["payload"] | {"sequence": 1}
    assert call.webhook_id == taken.json()["webhook_id"]
    assert (refused.status_code, refused.json()["state"], refused.json()["status"]) == (200, "exhausted", 418)
    assert len(refusing.calls) == 1
    (line,) = refused.json()["ledger"]
    assert (line["attempt"], line["outcome"], line["status"], line["error"]) == (1, "answered", 418, None)
    assert line["ended_at"] >= line["started_at"]
    assert client.get(refused.headers["location"]).json() == refused.json()


def test_a_test_that_nobody_sends_is_there_to_look_at(client: httpx.Client) -> None:
    waiting = client.post(TEST, json={"url": URL, "wait_seconds": 0})
    assert (waiting.status_code, waiting.json()["state"], waiting.json()["ledger"]) == (202, "pending", [])
    assert client.get(waiting.headers["location"]).json() == waiting.json()


def write(shim: RunningShim, endpoint: str, number: int, state: str = "exhausted", job: UUID | None = None) -> None:
    """Deliveries as they stand after a while."""

    async def work(connection: Connection) -> None:
        for _ in range(number):
            new = NewDelivery(event_id=uuid4(), job_id=job, type="job.completed", payload={"data": {}}, asked=None)
            assert await add(connection, UUID(endpoint), new) is Scheduling.SCHEDULED
        await connection.execute(
            "UPDATE webhook_deliveries SET state = %s, ended_at = now(), next_attempt_at = now() WHERE ended_at IS NULL",
            [state],
        )

    in_transaction(shim.dsn, work)


def test_the_ledger_is_read_page_by_page_and_by_what_is_wanted(client: httpx.Client, shim: RunningShim) -> None:
    endpoint, job = registered(client)["endpoint_id"], uuid4()
    write(shim, endpoint, 5)
    write(shim, endpoint, 2, "delivered", job)
    seen: list[str] = []
    cursor = None
    while True:
        page = client.get(DELIVERIES, params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        seen += [delivery["delivery_id"] for delivery in page["deliveries"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(seen) == len(set(seen)) == 7

    other = client.get(DELIVERIES, params={"limit": 3}).json()["next_cursor"]
    for wanted in (
        {"state": "delivered"},
        {"endpoint_id": endpoint},
        {"job_id": str(job)},
        {"since": "2020-01-01T00:00Z"},
    ):
        problem = check_problem(client.get(DELIVERIES, params={**wanted, "cursor": other}), 422, "invalid_request")
        assert "other filters" in problem["errors"][0]["message"], wanted
    body = {"since": "2020-01-01T00:00:00Z", "cursor": other}
    check_problem(client.post(f"{ENDPOINTS}/{endpoint}/redeliver", json=body), 422, "invalid_request")

    def found(**wanted: Any) -> list[dict[str, Any]]:
        return list(client.get(DELIVERIES, params=wanted).json()["deliveries"])

    assert [delivery["state"] for delivery in found(state="delivered")] == ["delivered"] * 2
    assert len(found(job_id=job)) == 2
    assert len(found(endpoint_id=endpoint, state="exhausted")) == 5
    assert found(endpoint_id=uuid4()) == found(since="2999-01-01T00:00:00Z") == []
    assert sorted(delivery["sequence"] for delivery in found()) == list(range(1, 8))


def test_deliveries_are_sent_again_one_or_all_since(client: httpx.Client, shim: RunningShim) -> None:
    with Receiver() as receiver:
        endpoint = registered(client, receiver.url)
        write(shim, endpoint["endpoint_id"], 20)
        one = client.get(DELIVERIES).json()["deliveries"][0]
        again = client.post(f"{one['links']['self']}/redeliver")
        assert (again.status_code, again.json()["state"]) == (202, "pending")
        path = f"{endpoint['links']['self']}/redeliver"
        assert client.post(path, json={"since": "2020-01-01T00:00:00Z"}).json() == {
            "redelivered": 19,
            "next_cursor": None,
        }
        ids = {delivery["webhook_id"] for delivery in client.get(DELIVERIES).json()["deliveries"]}
        with dispatching(shim.dsn):
            assert receiver.wait(lambda calls: len(calls) == 20, 90)
        assert {call.webhook_id for call in receiver.calls} == ids
        everything = {"since": "2020-01-01T00:00:00Z", "only_failed": False}
        assert client.post(path, json=everything).json()["redelivered"] == 20


def test_an_endpoint_with_held_deliveries_is_not_forgotten(client: httpx.Client, shim: RunningShim) -> None:
    path = registered(client)["links"]["self"]

    async def hold(connection: Any) -> None:
        await set_hold(connection, "acme", None, "case 17")

    in_transaction(shim.dsn, hold)
    refused = client.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "held")
    assert client.get(path).status_code == 200


def test_a_disabled_endpoint_gets_its_deliveries_when_it_is_enabled(client: httpx.Client, shim: RunningShim) -> None:
    gone = [True]

    def answer(_: Received) -> int:
        return 410 if gone[0] else 204

    with Receiver(answer) as receiver, dispatching(shim.dsn):
        test = client.post(TEST, json={"url": receiver.url, "wait_seconds": MAX_WAIT_SECONDS}).json()
        endpoint = test["links"]["endpoint"]
        assert (test["state"], client.get(endpoint).json()["reason"]) == ("disabled", "the receiver answered 410 Gone")
        check_problem(client.post(TEST, json={"url": receiver.url}), 409, "endpoint_disabled")
        check_problem(client.post(f"{test['links']['self']}/redeliver"), 409, "endpoint_disabled")
        since = {"since": "2020-01-01T00:00:00Z"}
        check_problem(client.post(f"{endpoint}/redeliver", json=since), 409, "endpoint_disabled")
        gone[0] = False
        assert client.patch(endpoint, json={"state": "enabled"}).json()["reason"] is None
        assert client.post(f"{endpoint}/redeliver", json=since).json()["redelivered"] == 1
        assert receiver.wait(lambda calls: len(calls) == 2, 90)
    assert len({call.webhook_id for call in receiver.calls}) == 1


def test_nobody_sees_or_touches_another_tenants_webhooks(client: httpx.Client, shim: RunningShim) -> None:
    endpoint = registered(client)["links"]["self"]
    delivery = client.post(TEST, json={"url": URL, "wait_seconds": 0}).json()["links"]["self"]
    with shim.client(shim.key_of("globex")) as other:
        assert other.get(ENDPOINTS).json()["endpoints"] == []
        assert other.get(DELIVERIES).json()["deliveries"] == []
        for method, path, body in (
            ("GET", endpoint, None),
            ("PATCH", endpoint, {"state": "disabled"}),
            ("DELETE", endpoint, None),
            ("GET", f"{endpoint}/secret", None),
            ("POST", f"{endpoint}/rotate-secret", None),
            ("POST", f"{endpoint}/redeliver", {"since": "2020-01-01T00:00:00Z"}),
            ("GET", delivery, None),
            ("POST", f"{delivery}/redeliver", None),
        ):
            check_problem(other.request(method, path, json=body), 404, "not_found")
        mine = registered(other)
        assert mine["endpoint_id"] not in endpoint
    assert client.get(endpoint).json()["state"] == "enabled"
    with shim.client("none") as nobody:
        for path in (ENDPOINTS, DELIVERIES, endpoint, delivery):
            check_problem(nobody.get(path), 401, "unauthorized")


NO_ENDPOINTS: list[tuple[str, dict[str, Any], str]] = [
    (ENDPOINTS, {"url": "ftp://acme.example/"}, "url"),
    (ENDPOINTS, {"url": "https://user:word@acme.example/"}, "url"),
    (ENDPOINTS, {"url": "https://acme.example/" + "ש" * 1000}, "url"),
    (ENDPOINTS, {"url": "http://169.254.169.254/latest"}, "url"),
    (TEST, {"url": "https://10.0.0.1/hook"}, "url"),
    (TEST, {"url": URL, "wait_seconds": 3600}, "wait_seconds"),
    (ENDPOINTS, {"url": URL, "max_per_second": 0}, "max_per_second"),
    (ENDPOINTS, {"url": URL, "events": []}, "events"),
    (ENDPOINTS, {"url": URL, "events": ["job.done"]}, "events.0"),
    (ENDPOINTS, {"url": URL, "events": "job.failed"}, "events"),
    (ENDPOINTS, {"url": URL, "description": "x" * 501}, "description"),
    (ENDPOINTS, {"url": URL, "description": "a\x00b"}, "description"),
    (ENDPOINTS, {"url": URL, "secret": "mine"}, "secret"),
]
NOT_LISTED: list[dict[str, Any]] = [
    {"cursor": "%%%"},
    {"cursor": "bm90aGluZw"},
    {"cursor": "W10"},
    {"cursor": "WyIyMDI2LTAxLTAxIiwgIngiXQ"},
    {"cursor": "x" * 500},
    {"state": "lost"},
    {"limit": 0},
    {"since": "2026-01-01"},
    {"job_id": "17"},
]


def test_what_is_no_endpoint_is_refused_and_what_cannot_be_listed_is_named(client: httpx.Client) -> None:
    for path, body, field in NO_ENDPOINTS:
        problem = check_problem(client.post(path, json=body), 422, "invalid_request")
        assert [error["field"] for error in problem["errors"]] == [field], body
    for params in NOT_LISTED:
        check_problem(client.get(DELIVERIES, params=params), 422, "invalid_request")


def test_changes_that_mean_nothing_are_refused(client: httpx.Client) -> None:
    path = registered(client)["links"]["self"]
    check_problem(client.patch(path, json={"state": "deleted"}), 422, "invalid_request")
    check_problem(client.patch(path, json={"description": None}), 422, "invalid_request")
    check_problem(client.post(f"{path}/rotate-secret", json={"overlap_seconds": -1}), 422, "invalid_request")
    check_problem(client.post(f"{path}/redeliver", json={"since": "2026-01-01T00:00:00"}), 422, "invalid_request")


def test_without_a_key_the_operator_is_told(database: str) -> None:
    with serving(database, MemoryObjectStore()) as running, running.client() as client:
        for path in (ENDPOINTS, TEST):
            problem = check_problem(client.post(path, json={"url": URL}), 422, "not_offered")
            assert "SCRIBE_WEBHOOK_KEY" in problem["detail"]
        assert client.get(ENDPOINTS).json()["endpoints"] == []


def test_secrets_lie_encrypted(client: httpx.Client, shim: RunningShim) -> None:
    path = registered(client)["links"]["self"]
    shown = [client.get(f"{path}/secret").json()["secret"], client.post(f"{path}/rotate-secret").json()["secret"]]
    with psycopg.connect(shim.dsn) as connection:
        kept = connection.execute(
            "SELECT secret FROM webhook_endpoints UNION ALL SELECT secret FROM webhook_old_secrets"
        ).fetchall()
    assert len(kept) == 2
    for (sealed,) in kept:
        assert all(BOX.open(sealed, UUID(path.rsplit("/", 1)[1])) not in bytes(other) for (other,) in kept)
        assert not any(secret.encode() in bytes(sealed) for secret in shown)
