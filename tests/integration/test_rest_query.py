"""What stands behind the `?`: nothing that is misspelt is passed over, and a time says what is wrong with it."""

import re
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from fastapi import Request

from producers.api.requests import query
from producers.inputs.validation_errors import MAX_FINDINGS
from schemas.errors import Rejected
from schemas.vocabulary.nearest import unknown
from sink.memory import MemoryObjectStore
from tests.integration.rest import check_problem
from tests.integration.shim import RunningShim, serving

DELIVERIES = "/api/v1/webhooks/deliveries"


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


def test_a_parameter_that_an_operation_does_not_know_is_named(shim: RunningShim, client: httpx.Client) -> None:
    """By every operation, to those who have a key; the path decides, whatever else is wrong."""
    paths = client.get("/openapi.json").json()["paths"]
    operations = [(path, method) for path, item in paths.items() for method in item if path.startswith("/api/v1")]
    assert len(operations) > 20
    with httpx.Client(base_url=shim.url, timeout=90, trust_env=False) as nobody:
        for path, method in operations:
            there = re.sub(r"{\w+}", str(uuid4()), path)
            problem = check_problem(client.request(method, there, params={"limt": "5"}), 422, "invalid_request")
            (error,) = problem["errors"]
            assert error["field"] == "limt", (method, path)
            assert error["message"].startswith("unknown parameter `limt`"), (method, path)
            check_problem(nobody.request(method, there, params={"limt": "5"}), 401, "unauthorized")
        assert nobody.get("/health?verbose=1").status_code == 200


def test_parameters_are_given_once_and_by_their_names(client: httpx.Client) -> None:
    problem = check_problem(client.get(f"{DELIVERIES}?limit=1&limit=2&Limit=3"), 422, "invalid_request")
    assert [(error["field"], error["message"]) for error in problem["errors"]] == [
        ("limit", "is given more than once"),
        (
            "Limit",
            "unknown parameter `Limit`; did you mean `limit`?",
        ),
    ]
    many = "&".join(f"x{n}={'y' * 10}" for n in range(300)) + "&" + "z" * 5000
    problem = check_problem(client.get(f"{DELIVERIES}?{many}"), 422, "invalid_request")
    assert len(problem["errors"]) == 50
    assert client.get(DELIVERIES, params={"limit": 5}).status_code == 200


NOT_SO: list[tuple[str, str, str]] = [
    ("/api/v1/jobs?limit=1_0", "limit", "in digits"),
    ("/api/v1/jobs?limit=1.0", "limit", "in digits"),
    ("/api/v1/jobs?limit=%2B5", "limit", "in digits"),
    ("/api/v1/jobs?limit=+5", "limit", "in digits"),
    ("/api/v1/jobs?limit=%D9%A3", "limit", "in digits"),
    ("/api/v1/jobs?limit=" + "9" * 5000, "limit", "in digits"),
    ("/api/v1/search?q=x&limit=1e1", "limit", "in digits"),
    (f"{DELIVERIES}?limit=5_0", "limit", "in digits"),
    ("/api/v1/webhooks/endpoints?limit=5.0", "limit", "in digits"),
    ("/api/v1/search?q=%FF", "q", "is not UTF-8"),
    ("/api/v1/search?q=a&q%ff=b", "q\ufffd", "is not UTF-8"),
    ("/api/v1/search?q=caf%E9+au+lait", "q", "is not UTF-8"),
    ("/api/v1/jobs?limit=5&name=%ED%A0%80", "name", "is not UTF-8"),
    ("/api/v1/jobs?metadata=k%3D%C3", "metadata", "is not UTF-8"),
    ("/api/v1/jobs?state=queud", "state", "did you mean `queued`?"),
    ("/api/v1/jobs?language=EN", "language", "unknown language `EN`; did you mean `en`?"),
    ("/api/v1/search?q=x&language=he-IL", "language", "did you mean `he`?"),
    ("/api/v1/search?q=x&language=xx", "language", "must be one of"),
]


@pytest.mark.parametrize(("address", "field", "message"), NOT_SO)
def test_what_is_not_plainly_written_is_refused(client: httpx.Client, address: str, field: str, message: str) -> None:
    (error,) = check_problem(client.get(address), 422, "invalid_request")["errors"]
    assert error["field"] == field
    assert message in error["message"]


@pytest.mark.parametrize("value", ["on", "yes", "t", "2", ""])
def test_yes_or_no_is_true_or_false(client: httpx.Client, value: str) -> None:
    (error,) = check_problem(client.delete(f"/api/v1/jobs/{uuid4()}?erase={value}"), 422, "invalid_request")["errors"]
    assert (error["field"], error["message"]) == ("erase", "must be true or false")


def test_what_was_meant_is_looked_for_only_as_often_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def counted(kind: str, word: str, known: Iterable[str]) -> str:
        looked.append(word)
        return unknown(kind, word, known)

    monkeypatch.setattr(query, "unknown", counted)
    request = Request(
        {
            "type": "http",
            "query_string": "&".join(f"x{n}=" for n in range(5500)).encode(),
            "endpoint": None,
            "app": SimpleNamespace(state=SimpleNamespace(parameters={None: {"limit": False}})),
        }
    )
    with pytest.raises(Rejected):
        query.check_parameters(request)
    assert len(looked) == MAX_FINDINGS


def test_a_plus_that_arrived_as_a_space_is_told(client: httpx.Client) -> None:
    for since in ("2026-01-31T12:00:00+01:00", "2026-01-31T12:00:00.25+0100", "2026-01-31T12:00+01"):
        problem = check_problem(client.get(f"{DELIVERIES}?since={since}"), 422, "invalid_request")
        (error,) = problem["errors"]
        assert (error["field"], "write + as %2B" in error["message"]) == ("since", True), since
    for since in ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00-01:00", "2026-01-31 12:00:00%2B01:00"):
        assert client.get(f"{DELIVERIES}?since={since}").status_code == 200, since
    naive = check_problem(client.get(f"{DELIVERIES}?since=2026-01-31 12:00"), 422, "invalid_request")
    assert "%2B" not in naive["errors"][0]["message"]
