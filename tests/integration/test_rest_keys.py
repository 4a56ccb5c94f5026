"""Keys made, listed and revoked over REST, and what each of them may do."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from schemas.tenants.scopes import Scope
from sink.memory import MemoryObjectStore
from sink.tenants.api_keys import create_key
from tests.integration.faust_process import until
from tests.integration.rest import URL, check_openai_error, check_problem, rows
from tests.integration.shim import RunningShim, in_database, serving

KEYS = "/api/v1/keys"
READ, WRITE, ADMIN, OPERATOR = (str(scope) for scope in Scope)


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


def with_scopes(shim: RunningShim, *scopes: str, tenant: str = "acme") -> httpx.Client:
    """A client with a new key of these scopes."""
    named = frozenset(Scope(scope) for scope in scopes)
    return shim.client(in_database(shim.dsn, lambda database: create_key(database, tenant, scopes=named)))


def made(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(KEYS, json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["location"] == f"{KEYS}/{answer.json()['key_id']}"
    key: dict[str, Any] = answer.json()
    return key


def test_an_admin_makes_keys_that_work_until_they_are_revoked(shim: RunningShim) -> None:
    with with_scopes(shim, ADMIN) as admin:
        key = made(admin, label="nightly import")
        assert (key["tenant"], key["scopes"]) == ("acme", [READ, WRITE])
        with shim.client(key["key"]) as client:
            assert client.post("/api/v1/transcribe", json={"url": URL}).status_code == 202
            listed = {found["key_id"]: found for found in admin.get(KEYS).json()["keys"]}
            assert listed[key["key_id"]]["label"] == "nightly import"
            assert key["key"].split("_")[3] not in admin.get(KEYS).text
            assert admin.delete(f"{KEYS}/{key['key_id']}").status_code == 204
            until("it is refused", lambda: client.get("/api/v1/jobs").status_code == 401)
        check_problem(admin.delete(f"{KEYS}/{key['key_id']}"), 404, "not_found")
        assert {found["key_id"]: found for found in admin.get(KEYS).json()["keys"]}[key["key_id"]]["revoked_at"]


ALLOWED: list[tuple[str, str, str, Collection[str]]] = [
    ("GET", "/api/v1/jobs", "", {READ}),
    ("GET", "/api/v1/search?q=x", "", {READ}),
    ("GET", "/api/v1/models", "", {READ}),
    ("POST", "/api/v1/transcribe", f'{{"url": "{URL}"}}', {WRITE}),
    ("GET", KEYS, "", {ADMIN, OPERATOR}),
    ("POST", KEYS, "{}", {ADMIN, OPERATOR}),
]


@pytest.mark.parametrize(("method", "path", "body", "scopes"), ALLOWED)
def test_a_key_may_do_what_its_scopes_say(
    shim: RunningShim, method: str, path: str, body: str, scopes: Collection[str]
) -> None:
    for scope in map(str, Scope):
        with with_scopes(shim, scope) as client:
            headers = {"content-type": "application/json"} if body else {}
            answer = client.request(method, path, content=body, headers=headers)
            if scope in scopes:
                assert answer.status_code < 300, (scope, answer.text)
            else:
                problem = check_problem(answer, 403, "forbidden")
                assert f"`{min(set(scopes) - {OPERATOR})}`" in problem["detail"]


def test_the_door_for_openais_clients_wants_both(shim: RunningShim) -> None:
    """Who hands in a recording there is told what is said in it."""
    for scopes in ((READ,), (WRITE,)):
        with with_scopes(shim, *scopes) as client:
            answer = client.post("/v1/audio/transcriptions", files={"file": b"RIFF"}, data={"model": "whisper-1"})
            check_openai_error(answer, 403, "forbidden")


def test_an_admin_stays_with_its_tenant_and_an_operator_does_not(shim: RunningShim) -> None:
    theirs = shim.key_of("globex")
    theirs_id = theirs.split("_")[2]
    with with_scopes(shim, ADMIN) as admin:
        for body in ({"tenant": "globex"}, {"scopes": [OPERATOR]}):
            check_problem(admin.post(KEYS, json=body), 403, "forbidden")
        check_problem(admin.get(KEYS, params={"tenant": "globex"}), 403, "forbidden")
        check_problem(admin.delete(f"{KEYS}/{theirs_id}"), 404, "not_found")
        above = in_database(shim.dsn, lambda database: create_key(database, "acme", scopes={Scope.OPERATOR}))
        check_problem(admin.delete(f"{KEYS}/{above.split('_')[2]}"), 404, "not_found")
        check_problem(admin.delete(f"{KEYS}/%00"), 422, "invalid_request")
        check_problem(admin.get(KEYS, params={"tenant": "\x00"}), 422, "invalid_request")
        assert made(admin, scopes=[ADMIN])["scopes"] == [ADMIN]
    with with_scopes(shim, OPERATOR) as operator:
        made(operator, tenant="globex", scopes=[OPERATOR, READ])
        assert len(operator.get(KEYS, params={"tenant": "globex"}).json()["keys"]) == 2
        assert operator.delete(f"{KEYS}/{theirs_id}").status_code == 204


def limited_admin(shim: RunningShim, requests_per_minute: int | None, *more: Scope) -> httpx.Client:
    scopes = {Scope.ADMIN, *more}
    text = in_database(
        shim.dsn, lambda db: create_key(db, "acme", scopes=scopes, requests_per_minute=requests_per_minute)
    )
    return shim.client(text)


@pytest.mark.parametrize(
    ("own", "usual", "most"), [(600, 0, 600), (None, 600, 600), (900, 600, 900), (300, 600, 300)], ids=str
)
def test_a_limited_key_makes_none_that_may_do_more(database: str, own: int | None, usual: int, most: int) -> None:
    with (
        serving(database, MemoryObjectStore(), requests_per_minute=usual) as shim,
        limited_admin(shim, own) as admin,
        limited_admin(shim, own, Scope.OPERATOR) as operator,
    ):
        problem = check_problem(admin.post(KEYS, json={"requests_per_minute": most + 1}), 422, "invalid_request")
        assert [error["field"] for error in problem["errors"]] == ["requests_per_minute"]
        assert made(admin, requests_per_minute=most)["requests_per_minute"] == most
        assert made(admin, requests_per_minute=1)["requests_per_minute"] == 1
        assert made(admin)["requests_per_minute"] == own
        assert [each["requests_per_minute"] for each in admin.get(KEYS).json()["keys"]][-3:] == [most, 1, own]
        # whoever runs the service decides
        assert made(operator, requests_per_minute=most + 1)["requests_per_minute"] == most + 1
        assert made(operator)["requests_per_minute"] is None


def test_where_nothing_is_limited_a_key_makes_one_with_any_limit(shim: RunningShim) -> None:
    with limited_admin(shim, None) as admin:
        assert made(admin, requests_per_minute=5000)["requests_per_minute"] == 5000
        assert made(admin)["requests_per_minute"] is None


def test_a_key_expires(shim: RunningShim) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    with with_scopes(shim, ADMIN) as admin:
        key = made(admin, expires_at=soon.isoformat())
        with shim.client(key["key"]) as client:
            assert client.get("/api/v1/jobs").status_code == 200
            rows(shim, "UPDATE api_keys SET expires_at = now() WHERE key_id = %s RETURNING 1", key["key_id"])
            until("it is refused", lambda: client.get("/api/v1/jobs").status_code == 401)
        check_problem(admin.delete(f"{KEYS}/{key['key_id']}"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["all"]}, "scopes.0"),
        ({"scopes": []}, "scopes"),
        ({"expires_at": "2020-01-31T00:00:00Z"}, "expires_at"),
        ({"expires_at": 7}, "expires_at"),
        ({"label": "x" * 201}, "label"),
        ({"scope": ["read"]}, "scope"),
        ({"tenant": "a b"}, "tenant"),
        ({"tenant": "a\x00"}, "tenant"),
        ({"label": "a\x00b"}, "label"),
    ],
)
def test_a_wrong_wish_names_its_field(shim: RunningShim, body: dict[str, Any], field: str) -> None:
    with with_scopes(shim, OPERATOR) as operator:
        problem = check_problem(operator.post(KEYS, json=body), 422, "invalid_request")
        assert [error["field"] for error in problem["errors"]] == [field]


def test_keys_of_before_scopes_do_what_they_did(shim: RunningShim, client: httpx.Client) -> None:
    assert client.post("/api/v1/transcribe", json={"url": URL}).status_code == 202
    assert client.get("/api/v1/jobs").status_code == 200
    check_problem(client.get(KEYS), 403, "forbidden")
