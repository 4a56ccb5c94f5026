"""Addresses and their methods: all are told, HEAD goes where GET does, and no answer leads to a host that a client named."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sink.memory import MemoryObjectStore
from tests.integration.rest import OPEN, URL, check_problem, read
from tests.integration.shim import RunningShim, serving

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


def addresses(client: httpx.Client) -> Iterator[tuple[str, list[str]]]:
    """Every address of the interface and of its pages with all of its methods, in our order."""
    documented = client.get("/openapi.json").json()["paths"]
    pages: dict[str, Any] = {path: {"get": {}} for path in ("/docs", "/redoc", "/openapi.json", "/docs/assets/docs.js")}
    for path, item in {**documented, **pages}.items():
        there = {method.upper() for method in item} | {"OPTIONS"} | ({"HEAD"} if "get" in item else set())
        yield re.sub(r"{\w+}", str(uuid4()), path), [method for method in METHODS if method in there]


def test_an_address_tells_all_of_its_methods(client: httpx.Client) -> None:
    """To whoever uses another one, and to whoever asks; with a key or without."""
    found = dict(addresses(client))
    assert max(len(methods) for methods in found.values()) >= 5
    for path, methods in found.items():
        for method in (*(method for method in METHODS if method not in methods), "TRACE"):
            answer = client.request(method, path)
            assert answer.status_code == 405, (method, path)
            assert answer.headers["allow"] == ", ".join(methods)
            if method != "HEAD":
                check_problem(answer, 405, "method_not_allowed")
        asked = httpx.request("OPTIONS", f"{client.base_url}{path}", trust_env=False, timeout=60)
        assert (asked.status_code, asked.headers["allow"], asked.content) == (204, ", ".join(methods), b"")
    check_problem(client.options("/nothing/here"), 404, "not_found")


def test_head_is_get_without_the_body(shim: RunningShim, client: httpx.Client) -> None:
    """The same status and headers, for errors too; and the same key is asked for."""
    client.post("/api/v1/transcribe", json={"url": URL})
    for path, methods in addresses(client):
        if "GET" not in methods:
            continue
        head, get = client.head(path), read(client, path)
        assert (head.status_code, head.content) == (get.status_code, b""), path
        assert head.headers["content-type"] == get.headers["content-type"]
        if path not in OPEN and path.startswith("/api"):
            assert httpx.head(f"{shim.url}{path}", trust_env=False, timeout=60).status_code == 401


HOSTS = ["evil.example", "evil.example:8000", "a]b[", "[::1", "x y", "@evil.example", "evil.example/path", "", "é"]
FORWARDED = {
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "gopher",
    "x-forwarded-prefix": "/evil.example",
    "x-forwarded-for": "evil.example",
    "forwarded": "host=evil.example;proto=gopher",
    "x-original-url": "/evil.example",
    "x-rewrite-url": "/evil.example",
}


def test_no_answer_names_a_host_that_the_client_named(client: httpx.Client) -> None:
    """Not in a redirect, not in Location, not in a link, not in the pages; whatever the host looks like."""
    paths = [*(path for path, _ in addresses(client)), "/api/v1/transcribe/", "/docs/", "/nothing"]
    asked = [*((HOSTS[0], path) for path in paths), *((host, path) for host in HOSTS for path in paths[-3:])]
    for host, path in asked:
        headers = httpx.Headers({**FORWARDED, "host": host}, encoding="latin-1")
        for answer in (read(client, path, headers=headers), client.put(path, headers=headers)):
            assert answer.status_code in {200, 403, 404, 405, 409, 422}, (host, path)
            assert "evil.example" not in answer.text, (host, path)
            assert "location" not in answer.headers
    for host in HOSTS:
        headers = httpx.Headers({**FORWARDED, "host": host}, encoding="latin-1")
        answer = client.post("/api/v1/transcribe", json={"url": URL}, headers=headers)
        assert answer.headers["location"] == answer.json()["links"]["self"] == f"/api/v1/jobs/{answer.json()['job_id']}"


def test_a_slash_too_many_is_another_address(client: httpx.Client) -> None:
    """A redirect would have key and body sent again, to wherever."""
    for path, _ in addresses(client):
        answer = client.request("POST", f"{path}/", json={"url": URL})
        check_problem(answer, 404, "not_found")
