"""Visits of the page in a headless Chromium: what it shows, and whatever the browser finds wrong with it."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect, sync_playwright

T = TypeVar("T")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 90_000  # the library's own five seconds are too few for a busy machine
AXE = Path(__file__).parent / "axe-core-4.14.1.min.js"
_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


def chromium() -> str:
    """The browser of this machine; skips the test where there is none."""
    found = os.environ.get("SCRIBE_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is on the PATH, and SCRIBE_TEST_CHROMIUM names none")
    return found


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser that talks to this machine only."""
    path = chromium()
    playwright: Playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


def elsewhere(work: Callable[[], T]) -> T:
    """Do something in another thread: in this one the event loop of Playwright runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@dataclass
class PageVisit:
    """A browser window of its own, with its own cookies; `faults` is all that the browser complained of."""

    page: Page
    context: BrowserContext
    url: str
    faults: list[str] = field(default_factory=list)

    def open(self, place: str = "") -> None:
        """Open the page at a place behind its #."""
        self.page.goto(f"{self.url}/{place}")

    def log_in(self, key: str) -> None:
        """Open the page and log in with a key."""
        self.open()
        self.page.get_by_label("Your key").fill(key)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("heading", name="Recordings", exact=True).wait_for()

    def show(self, place: str) -> None:
        """Go to a place without loading the page again."""
        self.page.evaluate("place => { location.hash = place }", place)

    def serious(self) -> list[str]:
        """Findings of axe that are serious or critical."""
        self.page.evaluate(AXE.read_text())
        found: list[dict[str, Any]] = self.page.evaluate("axe.run().then((result) => result.violations)")
        return [
            f"{item['id']}: {json.dumps([node['html'] for node in item['nodes']])[:400]}"
            for item in found
            if item["impact"] in ("serious", "critical")
        ]

    def overflow(self) -> int:
        """How many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Iterator[PageVisit]:
    """A visit; ends with the block."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    context.add_init_script(_VIOLATIONS)
    page = context.new_page()
    visit = PageVisit(page, context, url)

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.faults.append(f"{message.text} {message.location.get('url', '')}")

    page.on("console", heard)
    page.on("pageerror", lambda error: visit.faults.append(f"error: {error}"))
    try:
        yield visit
    finally:
        context.close()
