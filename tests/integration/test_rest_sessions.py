"""Sessions of the page: a key in, a cookie out, which does what the key does and no longer."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg

from sink.memory import MemoryObjectStore
from sink.tenants.api_keys import revoke_key
from sink.tenants.sessions import MOST_OF_A_KEY, SessionCache
from tests.integration.rest import URL, check_problem, rows
from tests.integration.shim import RunningShim, in_database, serving

HOME = {"Sec-Fetch-Site": "same-origin"}


@contextmanager
def browser(shim: RunningShim, key: str | None = None) -> Iterator[httpx.Client]:
    """A client that has logged in, and keeps its cookie as browsers do."""
    with httpx.Client(base_url=shim.url, trust_env=False, headers=HOME, timeout=90) as client:
        answer = client.post("/session", json={"key": key or shim.key})
        assert answer.status_code == 200, answer.text
        yield client


def test_a_key_opens_a_session_that_does_all_that_the_key_does(shim: RunningShim) -> None:
    with browser(shim) as client:
        made = client.post("/api/v1/transcribe", json={"url": URL})
        assert made.status_code == 202
        listed = client.get("/api/v1/jobs").json()["jobs"]
        assert [job["job_id"] for job in listed] == [made.json()["job_id"]]
        assert client.delete(f"/api/v1/jobs/{made.json()['job_id']}").status_code in (200, 202)
        me = client.get("/session").json()
    assert (me["tenant"], "he" in me["languages"], me["upload_max_bytes"]) == ("acme", True, 50_000_000)


def test_neither_cookie_nor_database_holds_what_opens_anything(shim: RunningShim) -> None:
    """The cookie is random, no script may read it, and only its digest is stored."""
    header = httpx.post(
        f"{shim.url}/session", json={"key": shim.key}, headers=HOME, trust_env=False, timeout=90
    ).headers["set-cookie"]
    token = header.split(";")[0].partition("=")[2]
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(header.split("; "))
    assert "Secure" not in header
    secret = shim.key.split("_")[3]
    assert secret[:8] not in token
    stored = repr(rows(shim, "SELECT * FROM sessions"))
    assert token not in stored
    assert secret not in stored


def test_under_https_the_cookie_is_bound_to_its_host(database: str) -> None:
    with (
        serving(database, MemoryObjectStore(), public_url="https://scribe.example") as shim,
        httpx.Client(base_url=shim.url, trust_env=False, timeout=90, headers=HOME) as client,
    ):
        header = client.post("/session", json={"key": shim.key}).headers["set-cookie"]
        token = header.split(";")[0].partition("=")[2]
        assert header.startswith("__Host-scribe_session=")
        assert "Secure" in header.split("; ")
        # another name is another cookie, which a neighbour on the same host could have set
        for name, tenant in (("scribe_session", None), ("__Host-scribe_session", "acme")):
            answer = httpx.get(
                f"{shim.url}/session", headers={"Cookie": f"{name}={token}"}, trust_env=False, timeout=90
            )
            assert answer.json()["tenant"] == tenant


WRONG: tuple[tuple[object, int, str, str], ...] = (
    ({"key": "sr_live_0123456789ab_wrong"}, 401, "unauthorized", "not valid"),
    ({"key": ""}, 422, "invalid_request", "key"),
    ({"key": "k" * 201}, 422, "invalid_request", "key"),
    ({"key": 7}, 422, "invalid_request", "key"),
    ({"key": "x", "remember": True}, 422, "invalid_request", "remember"),
    ({}, 422, "invalid_request", "key"),
    ([], 422, "invalid_request", ""),
)


def test_a_wrong_login_says_what_is_wrong(shim: RunningShim) -> None:
    for body, status, code, said in WRONG:
        answer = httpx.post(f"{shim.url}/session", json=body, headers=HOME, trust_env=False, timeout=90)
        assert said in check_problem(answer, status, code)["detail"]
        assert "set-cookie" not in answer.headers


def test_a_form_cannot_log_anybody_in(shim: RunningShim) -> None:
    answer = httpx.post(f"{shim.url}/session", data={"key": shim.key}, headers=HOME, trust_env=False, timeout=90)
    check_problem(answer, 415, "unsupported_media_type")


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "HOME"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "file://HOST"},
    {"Origin": "HOME.evil.example"},
    {"Origin": "https://[::1"},
    {},
]


def test_what_another_site_sends_with_the_cookie_changes_nothing(shim: RunningShim) -> None:
    host, job = shim.url.removeprefix("http://"), "0b7e1d0a-6b1f-4d0e-9a53-2f6f2c8f4a11"
    changes: tuple[tuple[str, str, object], ...] = (
        ("POST", "/api/v1/transcribe", {"url": URL}),
        ("DELETE", f"/api/v1/jobs/{job}", None),
        ("POST", "/session", {"key": shim.key}),
        ("DELETE", "/session", None),
    )
    with browser(shim) as client:
        client.headers.pop("Sec-Fetch-Site")
        for headers in FOREIGN:
            sent = {name: value.replace("HOME", shim.url).replace("HOST", host) for name, value in headers.items()}
            for method, path, body in changes:
                check_problem(client.request(method, path, json=body, headers=sent), 403, "cross_site")
            assert client.get("/api/v1/jobs", headers=sent).json()["jobs"] == []
        # a key in a header was put there by whoever knows it
        evil = {**FOREIGN[0], "X-API-Key": shim.key}
        assert client.post("/api/v1/transcribe", json={"url": URL}, headers=evil).status_code == 202


def test_the_page_itself_may_change_what_it_likes(shim: RunningShim) -> None:
    """Over plain http browsers say no more than the origin, which is the host or the public address."""
    with browser(shim) as client:
        client.headers.pop("Sec-Fetch-Site")
        for sent in (HOME, {"Origin": shim.url}, {"Origin": "http://127.0.0.1:8000"}):
            assert client.post("/api/v1/transcribe", json={"url": URL}, headers=sent).status_code == 202


def test_logging_out_ends_the_session_also_for_a_copy_of_the_cookie(shim: RunningShim) -> None:
    with browser(shim) as client:
        copied = {"Cookie": f"scribe_session={client.cookies['scribe_session']}"}
        answer = client.delete("/session")
        assert (answer.status_code, "Max-Age=0" in answer.headers["set-cookie"]) == (204, True)
        assert client.delete("/session").status_code == 204
    check_problem(
        httpx.get(f"{shim.url}/api/v1/jobs", headers=copied, trust_env=False, timeout=90), 401, "unauthorized"
    )


def test_a_revoked_key_ends_its_sessions(database: str) -> None:
    """As soon as the caches have forgotten it, which these do at once; how long they keep it is tested beside them."""
    with serving(database, MemoryObjectStore(), sessions=SessionCache(seconds=0)) as shim, browser(shim) as client:
        assert client.get("/api/v1/jobs").status_code == 200
        key_id = shim.key.split("_")[2]
        assert in_database(database, lambda db: revoke_key(db, key_id))
        check_problem(client.get("/api/v1/jobs"), 401, "unauthorized")
        assert client.get("/session").json() == {"tenant": None, "expires_at": None}


def test_an_expired_session_is_none_and_is_deleted_by_the_next_login(database: str) -> None:
    with serving(database, MemoryObjectStore(), sessions=SessionCache(seconds=0)) as shim, browser(shim) as client:
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE sessions SET expires_at = now()")
        check_problem(client.get("/api/v1/jobs"), 401, "unauthorized")
        with browser(shim):
            assert rows(shim, "SELECT count(*) FROM sessions") == [(1,)]


def test_sessions_of_one_key_are_bounded_and_the_oldest_ends(shim: RunningShim) -> None:
    with psycopg.connect(shim.dsn) as connection:
        connection.execute(
            "INSERT INTO sessions (digest, key_id, tenant, created_at, expires_at)"
            " SELECT sha256(n::text::bytea), key_id, tenant, now() - n * interval '1 s', now() + interval '1 h'"
            " FROM api_keys, generate_series(1, %s) n",
            [MOST_OF_A_KEY],
        )
    with browser(shim) as client:
        assert client.get("/session").json()["tenant"] == "acme"
    kept = rows(shim, "SELECT count(*), min(created_at) > now() - %s * interval '1 s' FROM sessions", MOST_OF_A_KEY)
    assert kept == [(MOST_OF_A_KEY, True)]


def test_a_forged_cookie_opens_nothing(shim: RunningShim) -> None:
    for token in ("", "x", "é", "x" * 43, "x" * 5000, '"', "a=b;c"):
        headers = httpx.Headers({"Cookie": f"scribe_session={token}"}, encoding="latin-1")
        check_problem(
            httpx.get(f"{shim.url}/api/v1/jobs", headers=headers, trust_env=False, timeout=90), 401, "unauthorized"
        )


def test_two_tenants_in_two_browsers_see_their_own(shim: RunningShim) -> None:
    with browser(shim) as one, browser(shim, shim.key_of("other")) as other:
        job = one.post("/api/v1/transcribe", json={"url": URL}).json()["job_id"]
        assert other.get("/api/v1/jobs").json()["jobs"] == []
        check_problem(other.get(f"/api/v1/jobs/{job}"), 404, "not_found")
