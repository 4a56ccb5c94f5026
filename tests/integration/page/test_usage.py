"""The usage of a tenant on the page, and the probable ends of its recordings."""

import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Browser, expect

from tests.integration.page.handing_in import completed, submitted
from tests.integration.page.visits import PageVisit, visiting
from tests.integration.rest import done_before, rows
from tests.integration.shim import RunningShim

PHONE = {"width": 375, "height": 700}


def used(shim: RunningShim, tenant: str, days_ago: int, jobs: int) -> None:
    """What the persist app writes as jobs end."""
    rows(
        shim,
        "INSERT INTO usage_by_day VALUES (%s, (now() AT TIME ZONE 'UTC')::date - %s, %s, 1, 0, 3723.4, 60, 2500000) RETURNING 1",
        *(tenant, days_ago, jobs),
    )


def test_the_days_of_a_time_are_shown_with_their_sum(visit: PageVisit, shim: RunningShim, tenant: str) -> None:
    for days_ago, jobs in ((0, 2), (40, 1500)):
        used(shim, tenant, days_ago, jobs)
    visit.page.get_by_role("link", name="Usage").click()
    lines = visit.page.locator(".usage tbody tr")
    expect(lines).to_have_count(1)
    expect(lines.first).to_contain_text("1:02:03")
    expect(lines.first).to_contain_text("2.5 MB")
    visit.page.get_by_label("Show the last").select_option("90 days")
    expect(lines).to_have_count(2)
    expect(visit.page.locator(".usage tfoot td").first).to_have_text("1,502")
    assert visit.serious() == []


def test_usage_fits_a_phone_in_light_and_dark(browser: Browser, shim: RunningShim, key: str, tenant: str) -> None:
    used(shim, tenant, 0, 123_456)
    for scheme in ("light", "dark"):
        with visiting(browser, shim.url, viewport=PHONE, color_scheme=scheme) as visit:
            visit.log_in(key)
            visit.show("#/usage")
            visit.page.locator(".usage tbody tr").first.wait_for()
            assert visit.overflow() == 0
            assert visit.serious() == []


def test_a_time_without_usage_says_so(visit: PageVisit) -> None:
    visit.show("#/usage")
    expect(visit.page.get_by_text("Nothing was done in this time.")).to_be_visible()


def test_a_waiting_recording_says_its_place_and_its_probable_end(visit: PageVisit, shim: RunningShim, key: str) -> None:
    done = submitted(shim, key)
    completed(shim, done)
    done_before(shim, done.job_id, datetime.now(UTC) - timedelta(minutes=20), seconds=600)
    first, second = submitted(shim, key), submitted(shim, key)
    forecast = visit.page.locator(".jobs li", has=visit.page.locator(f"a[href='#/jobs/{second.job_id}']"))
    wanted = re.compile(r"^\s*Number 2 of yours, done in about \d+ minutes$")
    expect(forecast.locator(".forecast")).to_have_text(wanted)
    visit.show(f"#/jobs/{first.job_id}")
    expect(visit.page.locator(".forecast")).to_have_text(re.compile(r"Number 1 of yours, done in about 1[01] minutes"))
