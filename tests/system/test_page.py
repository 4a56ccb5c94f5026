"""The page over the whole service: a recording is dropped on it and read, summarised, and announced once more."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from deploy.local.receiver import Receiver
from tests.integration.page.visits import PageVisit, launched, visiting
from tests.recordings import MONO
from tests.system.client import Client

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser, client: Client) -> Iterator[PageVisit]:
    with visiting(browser, client.service.api_url) as visit:
        visit.log_in(client.http.headers["X-API-Key"])
        yield visit
    assert visit.faults == []


_DROP = """
([name, numbers]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([new Uint8Array(numbers)], name));
  for (const type of ["dragover", "drop"]) {
    const event = new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true });
    document.querySelector(".drop").dispatchEvent(event);
  }
}
"""


def test_a_recording_is_dropped_read_heard_and_summarised(visit: PageVisit) -> None:
    """Nothing is loaded again in between: the page follows by itself."""
    page = visit.page
    page.evaluate(_DROP, ["the call.opus", list(MONO.path.read_bytes())])
    page.get_by_label("Language").select_option("en")
    page.get_by_role("button", name="Transcribe").click()
    page.get_by_role("link", name="the call.opus").first.click()
    page.locator(".line").first.wait_for(timeout=120_000)
    shown = " ".join(page.locator(".line p").all_inner_texts())
    assert "number" in shown
    assert page.locator(".speaker").count() >= 2
    expect(page.locator(".title .state")).to_have_text("Done")
    page.locator("[data-word]").nth(3).click()
    expect(page.locator(".line .now")).to_have_count(1)
    page.get_by_role("button", name="Summarise").click()
    page.locator(".summary").wait_for(timeout=60_000)
    page.get_by_text("History").click()
    expect(page.locator(".history")).to_contain_text("Transcribing")


def test_a_webhook_is_sent_again_from_the_page(
    visit: PageVisit, client: Client, receiver: Receiver, tmp_path: Path
) -> None:
    no_recording = tmp_path / "notes.txt"
    no_recording.write_text("no recording at all")
    job_id = client.upload(no_recording, webhook_url=receiver.url)
    visit.show(f"#/jobs/{job_id}")
    page = visit.page
    expect(page.get_by_role("group", name="What went wrong")).to_contain_text("Check the file", timeout=90_000)
    page.get_by_text("Webhooks (1)").click()
    assert receiver.wait(lambda calls: len(calls) == 1, 90)
    expect(page.locator(".deliveries")).to_contain_text("job.failed")
    page.get_by_role("button", name="Send again").click()
    assert receiver.wait(lambda calls: len(calls) == 2, 90)
    assert len({call.webhook_id for call in receiver.calls}) == 1
