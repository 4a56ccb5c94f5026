"""Pages of other sites: what the operator has allowed works in a real browser, and nothing else does."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from sink.memory import MemoryObjectStore
from tests.integration.page.visits import launched
from tests.integration.rest import URL
from tests.integration.shim import RunningShim, serving

ALLOWED = "https://app.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key,idempotency-key"}
# submits and then follows the job, as a page of another site would
CALL = """async ([address, key]) => {
    const headers = {"X-API-Key": key, "Content-Type": "application/json", "Idempotency-Key": "one"};
    const body = JSON.stringify({url: "https://media.example/a.wav"});
    const posted = await fetch(address + "/api/v1/transcribe", {method: "POST", headers, body});
    const job = await fetch(address + posted.headers.get("Location"), {headers: {"X-API-Key": key}});
    const refused = await fetch(address + "/api/v1/jobs", {headers: {"X-API-Key": "wrong"}});
    return [posted.status, (await job.json()).state, job.headers.get("ETag") !== null, (await refused.json()).code];
}"""


@pytest.fixture
def other_site(tmp_path: Path) -> Iterator[str]:
    """A page of another site."""
    (tmp_path / "index.html").write_text("<!doctype html><title>Another site</title>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def called_from(page: Page, site: str, shim: RunningShim) -> Any:
    page.goto(site)
    return page.evaluate(CALL, [shim.url, shim.key])


def test_a_page_of_an_allowed_site_submits_and_reads(database: str, other_site: str) -> None:
    with serving(database, MemoryObjectStore(), origins=(other_site,)) as shim, launched() as browser:
        assert called_from(browser.new_page(), other_site, shim) == [202, "queued", True, "unauthorized"]


def test_a_page_of_any_other_site_reads_nothing(database: str, other_site: str) -> None:
    with (
        serving(database, MemoryObjectStore(), origins=(ALLOWED,)) as shim,
        launched() as browser,
        pytest.raises(Exception, match="Failed to fetch"),
    ):
        called_from(browser.new_page(), other_site, shim)


def test_the_cookie_of_our_page_is_never_another_sites(database: str) -> None:
    with serving(database, MemoryObjectStore(), origins=("*",)) as shim:
        answer = httpx.get(f"{shim.url}/session", headers={"Origin": ALLOWED}, trust_env=False, timeout=90)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("origins", "asking", "answered"),
    [((ALLOWED,), ALLOWED, ALLOWED), (("*",), "https://any.example", "*"), ((ALLOWED,), f"{ALLOWED}.evil", None)],
)
def test_browsers_ask_first(database: str, origins: tuple[str, ...], asking: str, answered: str | None) -> None:
    with serving(database, MemoryObjectStore(), origins=origins) as shim:
        for path in ("/api/v1/transcribe", "/v1/audio/transcriptions"):
            answer = httpx.options(
                f"{shim.url}{path}", headers={"Origin": asking, **PREFLIGHT}, trust_env=False, timeout=90
            )
            assert answer.headers.get("access-control-allow-origin") == answered
            assert answer.status_code == (200 if answered else 400)


def test_openais_client_for_browsers_is_allowed_with_its_own_headers(database: str) -> None:
    """It names its version and system with every call, and no list of ours could keep up with that."""
    own = ["authorization", "content-type", "x-stainless-os", "x-stainless-retry-count"]
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": ",".join(own)}
    with serving(database, MemoryObjectStore(), origins=(ALLOWED,)) as shim:
        path = f"{shim.url}/v1/audio/transcriptions"
        answer = httpx.options(path, headers={"Origin": ALLOWED, **asked}, trust_env=False, timeout=90)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ALLOWED)
        assert set(own) <= {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
        other = httpx.options(path, headers={"Origin": "https://other.example", **asked}, trust_env=False, timeout=90)
        assert other.status_code == 400
        assert "access-control-allow-origin" not in other.headers


def test_scripts_may_read_which_job_an_answer_is_of(database: str) -> None:
    with serving(database, MemoryObjectStore(), origins=(ALLOWED,)) as shim:
        answer = httpx.get(f"{shim.url}/v1/models", headers={"Origin": ALLOWED}, trust_env=False, timeout=90)
        assert "X-Scribe-Job-Id" in answer.headers["access-control-expose-headers"].split(", ")


def test_without_the_setting_no_other_site_is_answered(database: str) -> None:
    with serving(database, MemoryObjectStore()) as shim, shim.client() as client:
        answer = client.post("/api/v1/transcribe", json={"url": URL}, headers={"Origin": ALLOWED})
        assert answer.status_code == 202
        assert not [name for name in answer.headers if name.startswith("access-control-")]
