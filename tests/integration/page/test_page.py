"""The page in a real browser: login, handing in, the list, keyboard, phone, and who sees what."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, FilePayload, Page, Response, expect

from sink.tenants.api_keys import revoke_key
from tests.integration.page.handing_in import URL, completed, submitted, transcript_of
from tests.integration.page.lossy_proxy import LossyProxy, lossy
from tests.integration.page.visits import PageVisit, elsewhere, visiting
from tests.integration.rest import rows
from tests.integration.shim import RunningShim, in_database
from tests.media_files import tone, wave

MOST_BYTES = 300_000
LONG_SECONDS = 300.0  # 10 MB, which no buffer on the way holds all of
JOBS = "SELECT count(*) FROM jobs WHERE tenant = %s"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that takes its time to arrive."""
    path = tmp_path_factory.mktemp("recordings") / "long.wav"
    path.write_bytes(wave(tone(LONG_SECONDS)))
    return path


@pytest.fixture
def short(tmp_path: Path) -> Path:
    path = tmp_path / "short.wav"
    path.write_bytes(wave(tone(1.0)))
    return path


@pytest.fixture
def window(browser: Browser, shim: RunningShim) -> Iterator[PageVisit]:
    """A visitor who has not logged in."""
    with visiting(browser, shim.url) as visit:
        yield visit
    assert visit.faults == []


def test_a_wrong_key_is_told_in_words_and_a_right_one_opens_the_page(window: PageVisit, key: str, tenant: str) -> None:
    window.open()
    window.page.get_by_role("button", name="Log in").click()
    expect(window.page.get_by_role("alert")).to_have_text("Enter your key.")
    window.page.get_by_label("Your key").fill("sr_live_nonsense")
    window.page.keyboard.press("Enter")
    expect(window.page.get_by_role("alert")).to_contain_text("This key is not valid")
    expect(window.page.get_by_text("Your session has ended")).to_have_count(0)
    assert len(window.faults) == 1  # the browser tells of each 401
    window.faults.clear()
    window.log_in(key)
    expect(window.page.locator(".tenant")).to_have_text(tenant)
    assert window.page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})") == "{}"
    window.page.reload()
    expect(window.page.locator(".tenant")).to_have_text(tenant)
    window.page.get_by_role("button", name="Log out").click()
    window.page.get_by_label("Your key").wait_for()
    assert window.context.cookies() == []


def test_the_first_view_is_small_and_whole(window: PageVisit, key: str) -> None:
    """All that is loaded until the list is there, and nothing from anywhere else."""
    loaded: list[Response] = []
    window.page.on("response", lambda response: loaded.append(response))
    window.log_in(key)
    window.page.get_by_text("Nothing here yet").wait_for()
    expect(window.page.get_by_text("Loading")).to_have_count(0)
    assert {response.url.split("/")[2] for response in loaded} == {window.url.removeprefix("http://")}
    whole = [response for response in loaded if not response.url.endswith("/events")]  # a stream has no end
    sizes = {response.url: len(response.body()) for response in whole}
    assert sum(sizes.values()) < MOST_BYTES, sizes
    assert sum(sizes.values()) > 30_000


def test_by_keyboard_alone(visit: PageVisit, shim: RunningShim) -> None:
    """An address is handed in, its recording opened, and stopped: with Tab, Enter and Escape."""
    page = visit.page
    _tab_to(page, "url")
    page.keyboard.type(URL)
    _tab_to(page, "Transcribe")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="call.opus").wait_for()
    _tab_to(page, "call.opus")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="call.opus")).to_be_focused()
    _tab_to(page, "Stop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    _tab_to(page, "Stop")
    page.keyboard.press("Enter")
    _tab_to(page, "Stop it")
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_have_text(re.compile("Stopped|Stopping"))


def _tab_to(page: Page, wanted: str) -> None:
    """Press Tab until what has that text or id has the focus, which must be seen."""
    for _ in range(60):
        page.keyboard.press("Tab")
        found = page.evaluate("[document.activeElement.id, document.activeElement.textContent.trim()]")
        if wanted in found:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            return
    raise AssertionError(f"{wanted} is not reached by Tab")


def test_what_is_wrong_stands_beside_its_field(visit: PageVisit, tmp_path: Path) -> None:
    page = visit.page
    transcribe = page.get_by_role("button", name="Transcribe")
    transcribe.click()
    expect(page.locator("#file-error")).to_contain_text("Choose a file, or paste an address")
    page.get_by_label("Or the address of a recording").fill("https://")
    transcribe.click()
    expect(page.locator("#url-error")).to_contain_text("https://host/path")
    page.get_by_label("Or the address of a recording").fill("https://media.example/" + "x" * 9000)
    transcribe.click()
    expect(page.locator("#url-error")).to_contain_text("characters")
    empty: FilePayload = {"name": "empty.wav", "mimeType": "audio/wav", "buffer": b""}
    page.get_by_label("Choose a file").set_input_files(empty)
    expect(page.locator("#file-error")).to_have_text("The file is empty.")
    visit.faults.clear()  # the browser tells of each 422
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(60_000_000)
    page.get_by_label("Choose a file").set_input_files(large)
    expect(page.locator("#file-error")).to_have_text(re.compile("^large.wav has 60 MB; a file may have 50 MB at most"))


def test_a_connection_that_is_lost_in_an_upload_makes_one_job(
    browser: Browser, shim: RunningShim, key: str, tenant: str, long: Path
) -> None:
    """The first attempt breaks off in the middle; the second is the same request again."""
    with _about_to_send(browser, shim, key, long) as (way, page):
        page.get_by_role("button", name="Transcribe").click()
        page.locator(".uploads .muted").filter(has_text=re.compile("^[1-9]")).wait_for()
        way.broken = True
        expect(page.locator(".uploads [role=alert]")).to_contain_text("The connection was lost")
        assert rows(shim, JOBS, tenant) == [(0,)]
        way.whole = True
        page.get_by_role("button", name="Send again").click()
        page.get_by_role("link", name="long.wav").wait_for()
        expect(page.locator(".uploads")).to_have_count(0)
        assert rows(shim, JOBS, tenant) == [(1,)]


def test_an_answer_that_is_lost_makes_no_second_job(
    browser: Browser, shim: RunningShim, key: str, tenant: str, short: Path
) -> None:
    """The job is there and nobody heard of it: the same key finds it."""
    with _about_to_send(browser, shim, key, short) as (way, page):
        way.deaf = True
        page.get_by_role("button", name="Transcribe").click()
        expect(page.locator(".uploads [role=alert]")).to_contain_text("The connection was lost")
        assert rows(shim, JOBS, tenant) == [(1,)]
        way.deaf = False
        page.get_by_role("button", name="Send again").click()
        expect(page.locator(".uploads")).to_have_count(0)
        expect(page.locator(".jobs li")).to_have_count(1)
        assert rows(shim, JOBS, tenant) == [(1,)]


def test_an_upload_goes_on_under_other_views_and_can_be_cancelled(
    browser: Browser, shim: RunningShim, key: str, tenant: str, long: Path
) -> None:
    with _about_to_send(browser, shim, key, long) as (_, page):
        page.get_by_role("button", name="Transcribe").click()
        page.get_by_role("link", name="Search").click()
        page.get_by_role("heading", name="Search all transcripts").wait_for()
        page.locator(".uploads").get_by_role("button", name="Cancel").click()
        expect(page.locator(".uploads")).to_have_count(0)
        assert rows(shim, JOBS, tenant) == [(0,)]


@contextmanager
def _about_to_send(browser: Browser, shim: RunningShim, key: str, path: Path) -> Iterator[tuple[LossyProxy, Page]]:
    """A way to the shim that can break, and a page behind it on which a file is chosen."""
    with lossy(shim.url) as way, visiting(browser, way.url) as visit:
        visit.log_in(key)
        _choose(visit.page, path)
        yield way, visit.page


def _choose(page: Page, path: Path) -> None:
    page.get_by_label("Choose a file").set_input_files(path)
    page.get_by_text("Ready to transcribe").wait_for()


def test_what_happens_is_shown_when_it_happens(visit: PageVisit, shim: RunningShim, key: str) -> None:
    """By the stream of events: the page's own clock stands still, so it does not ask by itself."""
    request = submitted(shim, key)
    page = visit.page
    page.clock.install()
    with page.expect_request("**/api/v1/events"):
        page.reload()
    state = page.locator("li", has_text="call.opus").locator(".state")
    expect(state).to_have_text("Waiting")
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)
    completed(shim, request, transcript_of("hello there"))
    for _ in range(30):
        page.clock.run_for(100)  # of five seconds, after which it would ask
        if state.text_content() == "Done":
            break
        page.wait_for_timeout(100)
    expect(state).to_have_text("Done")


def test_the_list_is_live_filtered_searched_and_paged(
    visit: PageVisit, shim: RunningShim, key: str, tenant: str
) -> None:
    requests = [submitted(shim, key, url=f"https://media.example/call-{number}.opus") for number in range(30)]
    page = visit.page
    page.reload()  # it has seen them all come, one after the other
    jobs = page.locator(".jobs li")
    expect(jobs).to_have_count(25)
    page.get_by_role("button", name="Show more").click()
    expect(jobs).to_have_count(30)
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)
    newest = jobs.filter(has_text="call-29.opus")
    expect(newest.locator(".state")).to_have_text("Waiting")
    completed(shim, requests[-1], transcript_of("hello there"))
    expect(newest.locator(".state")).to_have_text("Done")
    expect(newest).to_contain_text("English")
    page.get_by_role("button", name="Done", exact=True).click()
    expect(jobs).to_have_count(1)
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_label("Search by name").fill("CALL-1")
    expect(jobs).to_have_count(11)
    page.get_by_label("Search by name").fill("nothing like it")
    page.get_by_text("No recording fits.").wait_for()


def test_a_recording_is_deleted_after_a_question(visit: PageVisit, shim: RunningShim, key: str, tenant: str) -> None:
    request = submitted(shim, key)
    completed(shim, request, transcript_of("hello there"))
    visit.show(f"#/jobs/{request.job_id}")
    visit.page.get_by_role("button", name="Delete").click()
    visit.page.get_by_role("button", name="Keep it").click()
    assert rows(shim, JOBS, tenant) == [(1,)]
    visit.page.get_by_role("button", name="Delete").click()
    visit.page.get_by_role("button", name="Delete it").click()
    visit.page.get_by_text("Nothing here yet").wait_for()
    assert rows(shim, JOBS, tenant) == [(0,)]


def test_two_tenants_see_their_own(visit: PageVisit, browser: Browser, shim: RunningShim, key: str) -> None:
    request = submitted(shim, key, url="https://media.example/secret.opus")
    visit.page.get_by_role("link", name="secret.opus").wait_for()
    with visiting(browser, shim.url) as other:
        other.log_in(elsewhere(lambda: shim.key_of("someone-else")))
        other.page.get_by_text("Nothing here yet").wait_for()
        other.show(f"#/jobs/{request.job_id}")
        other.page.get_by_text("There is no such thing").or_(other.page.get_by_role("alert")).first.wait_for()
        assert "secret.opus" not in other.page.content()


def test_a_revoked_key_ends_the_session(visit: PageVisit, shim: RunningShim, key: str) -> None:
    elsewhere(lambda: in_database(shim.dsn, lambda db: revoke_key(db, key.split("_")[2])))
    visit.page.get_by_text("Your session has ended").wait_for()
    assert "Your recordings" not in visit.page.content()
    visit.faults.clear()  # the browser tells of each 401


def test_what_fails_says_why_and_what_to_do(visit: PageVisit, shim: RunningShim, key: str) -> None:
    request = submitted(shim, key)
    elsewhere(lambda: shim.fail(request))
    visit.page.locator(".jobs li").filter(has_text="The file is empty.").wait_for()
    visit.show(f"#/jobs/{request.job_id}")
    failed = visit.page.get_by_role("group", name="What went wrong")
    expect(failed).to_contain_text("The file is empty.")
    expect(failed).to_contain_text("Check the file")


def test_why_a_recording_waits_is_said(visit: PageVisit, shim: RunningShim, key: str) -> None:
    request = submitted(shim, key)
    with psycopg.connect(shim.dsn) as connection:
        connection.execute("UPDATE outbox SET created_at = now() - interval '1 minute'")
    visit.show(f"#/jobs/{request.job_id}")
    visit.page.get_by_role("heading", name="Why it waits").wait_for()
    expect(visit.page.locator(".waiting li").first).not_to_be_empty()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_finding_of_axe(browser: Browser, shim: RunningShim, key: str, scheme: str) -> None:
    done, failed = submitted(shim, key), submitted(shim, key, url="https://media.example/broken.opus")
    waiting = submitted(shim, key, url="https://media.example/waits.opus")
    completed(shim, done, transcript_of("hello there", "good morning", "שלום לכולם"))
    elsewhere(lambda: shim.fail(failed))
    with visiting(browser, shim.url, color_scheme=scheme) as visit:
        page = visit.page
        visit.open()
        page.get_by_label("Your key").wait_for()
        findings = visit.serious()
        visit.log_in(key)
        page.get_by_role("link", name="broken.opus").wait_for()
        findings += visit.serious()
        for request, ready in ((done, ".line"), (failed, ".card.failed"), (waiting, ".waiting")):
            visit.show(f"#/jobs/{request.job_id}")
            page.locator(ready).first.wait_for()
            page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true })")
            findings += visit.serious()
        page.get_by_role("button", name="Stop").click()
        findings += visit.serious()
        page.keyboard.press("Escape")
        visit.show("#/search?q=hello")
        page.locator(".hits").wait_for()
        findings += visit.serious()
    assert findings == []


def test_a_phone_never_scrolls_sideways(browser: Browser, shim: RunningShim, key: str) -> None:
    """Not even with names and words that have no place to break."""
    long = "a" * 180
    request = submitted(shim, key, url=f"https://media.example/{long}.opus")
    completed(shim, request, transcript_of("x" * 300, "hello there"))
    with visiting(browser, shim.url, viewport={"width": 375, "height": 700}, has_touch=True) as visit:
        visit.log_in(key)
        visit.page.locator(".jobs li").wait_for()
        found = [visit.overflow()]
        visit.show(f"#/jobs/{request.job_id}")
        visit.page.locator(".line").first.wait_for()
        visit.page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true })")
        found.append(visit.overflow())
        visit.show("#/search?q=hello")
        visit.page.locator(".hits").wait_for()
        found.append(visit.overflow())
    assert found == [0, 0, 0]
