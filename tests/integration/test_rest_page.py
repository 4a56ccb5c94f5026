"""The files of the page at /: closed to everything that is not theirs, and newest after an upgrade."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx
import pytest

from producers.api.web.page import FOLDER
from sink.memory import MemoryObjectStore
from tests.integration.rest import check_problem
from tests.integration.shim import RunningShim, serving
from tests.integration.test_rest_documentation import Loaded

KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


def test_the_page_loads_only_what_is_served_beside_it(client: httpx.Client) -> None:
    """By relative addresses, so that it works below any prefix as well."""
    page = client.get("/")
    loaded = Loaded(page.text)
    assert (loaded.forbidden, re.findall("https?:|//[a-z]", page.text)) == ([], [])
    for link in [link for link in loaded.links if "." in link]:
        found = client.get(urljoin("/", link))
        assert (found.status_code, found.headers["cache-control"]) == (200, "no-cache"), link
        assert found.headers["content-type"].startswith(KINDS[link[link.rindex(".") :]]), link
        again = client.get(urljoin("/", link), headers={"if-none-match": found.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_the_policy_of_the_page_allows_itself_only(client: httpx.Client) -> None:
    headers = client.get("/").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["media-src"] == "'self' blob:"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["referrer-policy"], headers["cross-origin-opener-policy"]) == ("no-referrer", "same-origin")


def test_nothing_else_of_the_disk_is_served(client: httpx.Client) -> None:
    for path in FOLDER.rglob("*"):
        if path.is_file() and path.suffix in KINDS:
            assert client.get(f"/app/{path.relative_to(FOLDER)}").status_code == 200
    others = (
        "",
        "index.html",
        "vendor",
        "vendor/README.md",
        "../docs.js",
        "%2e%2e/docs.js",
        "..%2fdocs.js",
        "/etc/passwd",
    )
    for name in (*others, "%00", "main.js%00", "..%5cdocs.js", "main.js/"):
        check_problem(client.get(f"/app/{name}"), 404, "not_found")
