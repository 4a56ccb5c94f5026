"""/docs and /redoc: whole without the internet, and closed to everything that is not theirs."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx
import pytest

from schemas.wire.asyncapi import document
from sink.memory import MemoryObjectStore
from tests.integration.rest import check_problem
from tests.integration.shim import RunningShim, serving

PAGES = ("/docs", "/redoc")
KINDS = {".js": "text/javascript", ".css": "text/css", ".png": "image/png", ".json": "application/json"}


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


class Loaded(HTMLParser):
    """What a page loads, and what stands in it that a strict policy forbids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forbidden: list[str] = []
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "spec-url")]
        self.forbidden += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.forbidden += [tag] if tag == "style" else []
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        self.forbidden += [data] if self._in_script and data.strip() else []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_only_what_is_served_beside_it(client: httpx.Client, path: str) -> None:
    """By relative addresses, so that it works below any prefix as well."""
    page = client.get(path)
    loaded = Loaded(page.text)
    assert (loaded.forbidden, re.findall("https?:|//[a-z]", page.text)) == ([], [])
    assert "openapi.json" in loaded.links
    assert len([link for link in loaded.links if link.endswith(".js")]) >= 1
    for link in loaded.links:
        found = client.get(urljoin(path, link))
        assert found.status_code == 200, link
        assert found.headers["content-type"].startswith(KINDS[link[link.rindex(".") :]]), link
        assert found.headers["x-content-type-options"] == "nosniff"
        assert len(found.content) > 10


def test_the_topics_are_described_beside_the_operations(client: httpx.Client) -> None:
    """For whoever asks, as /openapi.json is; `tests/schemas/wire/test_asyncapi.py` looks at what it says."""
    answer = client.get("/asyncapi.json", headers={"X-API-Key": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    version = client.get("/openapi.json").json()["info"]["version"]
    assert answer.json() == document(version)


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_of_a_page_allows_nothing_else(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {word for words in policy.values() for word in words.split()} <= {
        *("'none'", "'self'", "'unsafe-inline'", "data:", "blob:")
    }
    assert [name for name, words in policy.items() if "unsafe" in words] == (["style-src"] if path == "/redoc" else [])
    assert headers["referrer-policy"] == "no-referrer"


def test_what_a_page_loads_is_kept_by_browsers(client: httpx.Client) -> None:
    """For a day, and then only sent again when it is another."""
    first = client.get("/docs/assets/swagger-ui-bundle.js")
    assert "max-age" in first.headers["cache-control"]
    again = client.get("/docs/assets/swagger-ui-bundle.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_nothing_else_of_the_disk_is_served(client: httpx.Client) -> None:
    for name in ("", "docs.html", "../documentation.py", "%2e%2e%2fdocumentation.py", "..%5c", "%00", "a/b"):
        check_problem(client.get(f"/docs/assets/{name}"), 404, "not_found")


@pytest.mark.parametrize(
    "wish", ["bytes=0-9", "bytes=0-0,5-9", "bytes=a-b", "bytes=9-0", "bytes=999999999-", "lines=1-2", "x"]
)
def test_a_file_of_the_pages_is_whole_whatever_part_is_wished(client: httpx.Client, wish: str) -> None:
    whole = client.get("/docs/assets/docs.js")
    for more in ({}, {"If-Range": whole.headers["etag"]}):
        answer = client.get("/docs/assets/docs.js", headers={"Range": wish, **more})
        assert (answer.status_code, answer.content) == (200, whole.content)
        assert "content-range" not in answer.headers
    assert whole.headers["accept-ranges"] == "none"
