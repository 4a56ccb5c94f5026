"""What stands behind the `?`: nothing that is misspelt is passed over, and a time says what is wrong with it."""

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from sink.memory import MemoryObjectStore
from tests.integration.rest import check_problem
from tests.integration.shim import Shim, serving

DELIVERIES = "/api/v1/webhooks/deliveries"


@pytest.fixture
def shim(database: str) -> Iterator[Shim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


def test_a_parameter_that_an_operation_does_not_know_is_named(shim: Shim, client: httpx.Client) -> None:
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


def test_a_plus_that_arrived_as_a_space_is_told(client: httpx.Client) -> None:
    for since in ("2026-01-31T12:00:00+01:00", "2026-01-31T12:00:00.25+0100", "2026-01-31T12:00+01"):
        problem = check_problem(client.get(f"{DELIVERIES}?since={since}"), 422, "invalid_request")
        (error,) = problem["errors"]
        assert (error["field"], "write + as %2B" in error["message"]) == ("since", True), since
    for since in ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00-01:00", "2026-01-31 12:00:00%2B01:00"):
        assert client.get(f"{DELIVERIES}?since={since}").status_code == 200, since
    naive = check_problem(client.get(f"{DELIVERIES}?since=2026-01-31 12:00"), 422, "invalid_request")
    assert "%2B" not in naive["errors"][0]["message"]
