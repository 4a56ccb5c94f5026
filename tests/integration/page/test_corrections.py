"""Corrections on the page: text in its place, names, two people at once, what the machine wrote, by keyboard and phone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from schemas.events import JobRequested
from sink.jobs.results import apply_request
from tests.integration.page.handing_in import completed, submitted, transcript_of
from tests.integration.page.visits import PageVisit, elsewhere, visiting
from tests.integration.shim import RunningShim, in_transaction

LINES = ("helo there", "good morning", "how are you")
HOSTILE = "<img src=x onerror=\"document.title='caught'\"> </textarea><script>1</script>"
PHONE = {"width": 375, "height": 700}


@contextmanager
def others(shim: RunningShim, key: str) -> Iterator[httpx.Client]:
    with shim.client(key) as client:
        yield client


def corrected_elsewhere(shim: RunningShim, key: str, request: JobRequested, text: str) -> None:
    """Somebody else corrects the first segment meanwhile."""

    def correct() -> None:
        path = f"/api/v1/jobs/{request.job_id}/transcript"
        with others(shim, key) as client:
            tag = client.get(path).headers["etag"]
            body = {"segments": [{"index": 0, "text": text}]}
            assert client.patch(path, json=body, headers={"If-Match": tag}).status_code == 200

    elsewhere(correct)


def texts_of(shim: RunningShim, key: str, request: JobRequested) -> list[str]:
    def read() -> list[str]:
        with others(shim, key) as client:
            found = client.get(f"/api/v1/jobs/{request.job_id}/transcript").json()
        return [segment["text"] for segment in found["segments"]]

    return elsewhere(read)


@pytest.fixture
def request_(shim: RunningShim, key: str) -> JobRequested:
    return submitted(shim, key)


def opened(visit: PageVisit, shim: RunningShim, request: JobRequested, *lines: str, language: str = "en") -> Page:
    completed(shim, request, transcript_of(*(lines or LINES), language=language))
    visit.show(f"#/jobs/{request.job_id}")
    visit.page.locator(".line .edit").first.wait_for()
    return visit.page


def field(page: Page) -> Locator:
    return page.locator(".editing textarea, .editing input")


def lines(page: Page) -> Locator:
    return page.locator(".line p:not([role])")


def test_a_text_is_corrected_in_its_place(
    visit: PageVisit, shim: RunningShim, key: str, request_: JobRequested
) -> None:
    page = opened(visit, shim, request_)
    expect(page.get_by_role("group", name="Which transcript")).to_have_count(0)
    page.get_by_role("button", name="Edit what is said at 0:00").click()
    expect(field(page)).to_be_focused()
    expect(field(page)).to_have_value("helo there")
    field(page).fill("Hello there, all")
    field(page).press("Control+Enter")
    expect(lines(page)).to_have_text(["Hello there, all", *LINES[1:]])
    expect(page.locator(".editing")).to_have_count(0)
    expect(page.get_by_role("button", name="Edit what is said at 0:00")).to_be_focused()
    assert texts_of(shim, key, request_) == ["Hello there, all", *LINES[1:]]


def test_escape_leaves_everything_as_it_was(
    visit: PageVisit, shim: RunningShim, key: str, request_: JobRequested
) -> None:
    page = opened(visit, shim, request_)
    page.locator(".line .edit").first.press("Enter")  # without a mouse
    field(page).fill("something else")
    field(page).press("Escape")
    expect(lines(page)).to_have_text([*LINES])
    expect(page.locator(".line .edit").first).to_be_focused()
    assert texts_of(shim, key, request_) == [*LINES]


def rename(page: Page, name: str, another: str) -> None:
    """Give the speaker of that name another one."""
    page.get_by_role("button", name=f"Rename {name}").first.click()
    field(page).fill(another)
    field(page).press("Enter")


def test_a_name_goes_to_all_that_its_speaker_says(visit: PageVisit, shim: RunningShim, request_: JobRequested) -> None:
    page = opened(visit, shim, request_)
    page.get_by_role("button", name="Rename Speaker 1").first.click()
    expect(field(page)).to_have_value("Speaker 1")
    field(page).fill("דנה לוי")
    field(page).press("Enter")
    expect(page.locator(".speaker")).to_have_text(["דנה לוי", "Speaker 2", "דנה לוי"])
    rename(page, "דנה לוי", "Dana")
    expect(page.locator(".speaker")).to_have_text(["Dana", "Speaker 2", "Dana"])


def test_the_words_for_a_label_are_no_name(
    visit: PageVisit, shim: RunningShim, key: str, request_: JobRequested
) -> None:
    page = opened(visit, shim, request_)
    rename(page, "Speaker 2", "Speaker 1")
    expect(page.locator(".editing [role=alert]")).to_contain_text("is the label of another speaker")
    field(page).fill("Ben")
    field(page).press("Enter")
    expect(page.locator(".speaker")).to_have_text(["Speaker 1", "Ben", "Speaker 1"])
    rename(page, "Ben", "Speaker 2")
    expect(page.locator(".speaker")).to_have_text(["Speaker 1", "Speaker 2", "Speaker 1"])
    visit.faults.clear()


def test_a_conflict_is_told_and_nothing_typed_is_lost(
    visit: PageVisit, shim: RunningShim, key: str, request_: JobRequested
) -> None:
    page = opened(visit, shim, request_)
    page.locator(".line .edit").first.click()
    field(page).fill("mine")
    corrected_elsewhere(shim, key, request_, "theirs")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".editing [role=alert]")).to_contain_text("it says now: “theirs”")
    expect(field(page)).to_have_value("mine")
    assert texts_of(shim, key, request_)[0] == "theirs"
    page.get_by_role("button", name="Save").click()  # seen, and meant
    expect(lines(page).first).to_have_text("mine")
    assert texts_of(shim, key, request_)[0] == "mine"
    assert len(visit.faults) == 1  # the browser tells of each 412
    visit.faults.clear()


def test_a_conflict_with_a_new_run_is_told_too(
    visit: PageVisit, shim: RunningShim, key: str, request_: JobRequested
) -> None:
    """Its transcript begins without revisions: those of the run before are listed still, and cannot be read."""
    page = opened(visit, shim, request_)
    corrected_elsewhere(shim, key, request_, "theirs")
    page.route(f"**/jobs/{request_.job_id}", lambda route: None)  # the page has yet to hear of the new run
    page.locator(".line .edit").first.click()
    field(page).fill("mine")
    again = replace(request_, run=2)
    elsewhere(lambda: in_transaction(shim.dsn, lambda connection: apply_request(connection, again)))
    completed(shim, again, transcript_of("heard anew", *LINES[1:]))
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".editing [role=alert]")).to_contain_text("it says now: “heard anew”")
    page.get_by_role("button", name="Save").click()
    expect(lines(page).first).to_have_text("mine")
    assert texts_of(shim, key, request_)[0] == "mine"
    visit.faults.clear()


def begun_anew(shim: RunningShim, request: JobRequested) -> JobRequested:
    """Somebody replays the job."""
    again = replace(request, run=request.run + 1)
    elsewhere(lambda: in_transaction(shim.dsn, lambda connection: apply_request(connection, again)))
    return again


def test_what_is_typed_outlives_a_new_run_and_is_saved_in_it(
    visit: PageVisit, shim: RunningShim, key: str, request_: JobRequested
) -> None:
    page = opened(visit, shim, request_)
    page.locator(".line .edit").first.click()
    field(page).fill("mine")
    again = begun_anew(shim, request_)
    news = page.locator(".sticky .notice")
    expect(news).to_contain_text("is being done anew")
    expect(field(page)).to_have_value("mine")
    completed(shim, again, transcript_of("heard anew", "another voice", *LINES[2:]))
    expect(news).to_contain_text("There is a new transcript")
    expect(field(page)).to_have_value("mine")
    assert visit.serious() == []
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".editing [role=alert]")).to_contain_text("it says now: “heard anew”")
    page.get_by_role("button", name="Save").click()
    expect(lines(page)).to_have_text(["mine", "another voice", *LINES[2:]])
    expect(news).to_have_count(0)
    expect(page.locator(".line .edit").first).to_be_focused()
    assert texts_of(shim, key, request_)[:2] == ["mine", "another voice"]
    visit.faults.clear()


def test_who_gives_up_what_is_typed_sees_the_new_run(
    visit: PageVisit, shim: RunningShim, request_: JobRequested
) -> None:
    page = opened(visit, shim, request_)
    page.get_by_role("button", name="Rename Speaker 1").first.click()
    field(page).fill("Anna")
    completed(shim, begun_anew(shim, request_), transcript_of("heard anew"))
    expect(page.locator(".sticky .notice")).to_contain_text("There is a new transcript")
    field(page).press("Escape")
    expect(lines(page)).to_have_text(["heard anew"])
    expect(page.locator(".sticky .notice")).to_have_count(0)


def test_a_new_run_is_shown_at_once_where_nothing_is_typed(
    visit: PageVisit, shim: RunningShim, request_: JobRequested
) -> None:
    page = opened(visit, shim, request_)
    page.locator(".line .edit").first.click()  # and nothing typed
    completed(shim, begun_anew(shim, request_), transcript_of("heard anew"))
    expect(lines(page)).to_have_text(["heard anew"])


def test_who_gives_way_sees_what_the_other_wrote(
    visit: PageVisit, shim: RunningShim, key: str, request_: JobRequested
) -> None:
    page = opened(visit, shim, request_)
    page.locator(".line .edit").first.click()
    field(page).fill("mine")
    corrected_elsewhere(shim, key, request_, "theirs")
    field(page).press("Meta+Enter")
    expect(page.locator(".editing [role=alert]")).to_contain_text("theirs")
    page.get_by_role("button", name="Cancel").click()
    expect(lines(page).first).to_have_text("theirs")
    visit.faults.clear()


def test_what_is_refused_stays_in_the_field_with_the_reason(
    visit: PageVisit, shim: RunningShim, request_: JobRequested
) -> None:
    page = opened(visit, shim, request_)
    page.get_by_role("button", name="Rename Speaker 2").click()
    field(page).fill("   ")
    field(page).press("Enter")
    expect(page.locator(".editing [role=alert]")).to_contain_text("must not be blank")
    expect(field(page)).to_have_value("   ")
    page.locator(".line .edit").first.click()  # what was typed is not left for another field
    expect(field(page)).to_have_count(1)
    expect(field(page)).to_be_focused()
    visit.faults.clear()


def test_the_machines_transcript_stays_beside_it(
    visit: PageVisit, shim: RunningShim, key: str, request_: JobRequested
) -> None:
    page = opened(visit, shim, request_)
    page.locator(".line .edit").first.click()
    field(page).fill(HOSTILE)
    field(page).press("Control+Enter")
    expect(lines(page).first).to_have_text(HOSTILE)
    page.get_by_role("button", name="As transcribed").click()
    expect(lines(page)).to_have_text([*LINES])
    expect(page.locator(".line .edit")).to_have_count(0)
    page.get_by_text("Download", exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Text").click()
    assert "helo there" in waiting.value.path().read_text()
    page.get_by_role("button", name="Corrected", exact=True).click()
    expect(lines(page).first).to_have_text(HOSTILE)
    page.get_by_text("Corrections", exact=True).click()
    expect(page.locator(".revisions q")).to_have_text(HOSTILE)
    key_id = key.split("_")[2]
    expect(page.locator(".revisions code")).to_have_text(key_id)
    assert page.locator(".lines img, .lines script, .revisions img, .revisions script").count() == 0
    assert "caught" not in page.title()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hebrew_on_a_phone(browser: Browser, shim: RunningShim, key: str, request_: JobRequested, scheme: str) -> None:
    with visiting(browser, shim.url, viewport=PHONE, color_scheme=scheme) as visit:
        visit.log_in(key)
        page = opened(visit, shim, request_, "שלום לכולם", "hello there", language="he")
        page.get_by_role("button", name="Rename Speaker 1").first.click()
        field(page).fill("דנה")
        field(page).press("Enter")
        expect(page.locator(".speaker").first).to_have_text("דנה")
        page.locator(".line .edit").first.click()
        field(page).fill("שלום לכולם, מה שלומכם?")
        assert field(page).evaluate("one => getComputedStyle(one).direction") == "rtl"
        assert visit.overflow() <= 0
        assert visit.serious() == []
        page.get_by_role("button", name="Save").click()
        expect(lines(page).first).to_have_text("שלום לכולם, מה שלומכם?")
        page.get_by_text("Corrections", exact=True).click()
        assert visit.overflow() <= 0
        assert visit.serious() == []
    assert visit.faults == []


def test_a_correction_far_below_leaves_the_page_where_it_is(
    visit: PageVisit, shim: RunningShim, request_: JobRequested
) -> None:
    page = opened(visit, shim, request_, *(f"line {number} of many" for number in range(600)))
    page.get_by_label("Find in the transcript").fill("line 400")
    expect(page.locator(".line .chosen").first).to_be_in_viewport()
    line = page.locator('[data-place="400"]')
    line.locator(".edit").click()
    before = line.bounding_box()
    field(page).fill("line four hundred")
    field(page).press("Control+Enter")
    expect(line.locator("p:not([role])")).to_have_text("line four hundred")
    after = line.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["y"] - before["y"]) < 5
    expect(line.locator(".edit")).to_be_focused()


def test_a_search_goes_on_in_the_corrected_text(visit: PageVisit, shim: RunningShim, request_: JobRequested) -> None:
    page = opened(visit, shim, request_)
    page.get_by_label("Find in the transcript").fill("o")
    expect(page.locator(".finder [role=status]")).to_have_text("1 of 6 places")
    page.locator(".line .edit").last.click()
    field(page).fill("oh, how are you so soon, too?")
    field(page).press("Control+Enter")
    expect(page.locator(".finder [role=status]")).to_have_text("1 of 12 places")
    expect(page.locator(".line").last.locator(".hit")).to_have_text(["oh,", "how", "you", "so", "soon,", "too?"])


def test_what_is_typed_outlives_scrolling(visit: PageVisit, shim: RunningShim, request_: JobRequested) -> None:
    page = opened(visit, shim, request_, *(f"line {number} of many" for number in range(600)))
    page.locator(".line .edit").first.click()
    field(page).fill("typed and not saved")
    find = page.get_by_label("Find in the transcript")
    find.fill("line 500")
    expect(page.locator(".line .chosen").first).to_be_in_viewport()
    find.fill("")
    expect(field(page)).to_have_value("typed and not saved")
