"""What operators see on the page: why any job waits, and dead letters, which may hold whatever a stranger wrote."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from playwright.sync_api import Browser, expect

from deploy.local.stack import Stack
from schemas.events import JobRequested
from schemas.settings.kafka import KafkaSettings
from schemas.tenants.scopes import Scope
from schemas.topics import GROUPS, JOBS, TRANSCRIBERS, dlq_topic
from schemas.wire.headers import Origin, dead_letter_headers
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from sink.memory import MemoryObjectStore
from sink.tenants.api_keys import create_key
from tests.integration.commands import scribe
from tests.integration.gpu import publish_to
from tests.integration.page.handing_in import submitted
from tests.integration.page.visits import PageVisit, elsewhere, launched, visiting
from tests.integration.shim import RunningShim, in_database, serving
from tests.samples import SAMPLES

HOSTILE = "<img src=x onerror=\"document.title='caught'\"></pre><script>document.title='caught'</script>"
PHONE = {"width": 375, "height": 700}


@pytest.fixture(scope="module")
def reading(shim: RunningShim, stack: Stack, kafka: str, topic_admin: AdminClient) -> Iterator[RunningShim]:
    """A shim over the same database that reads dead letters, whose topics are there."""
    values = {**stack.environment(), "SCRIBE_POSTGRES_DSN": shim.dsn}
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    if not set(map(dlq_topic, GROUPS)) <= set(topic_admin.list_topics(timeout=10).topics):
        done = elsewhere(lambda: scribe("topics", "apply", "--partitions", "4", "--replication-factor", "1", **values))
        assert done.returncode == 0, done.stderr
    with serving(shim.dsn, MemoryObjectStore(), dead_letters=KafkaSettings(kafka_bootstrap=kafka)) as running:
        yield running


@pytest.fixture(scope="module")
def browser(reading: RunningShim) -> Iterator[Browser]:
    """A browser that is opened after the shims: they cannot begin where its event loop runs."""
    with launched() as opened:
        yield opened


@pytest.fixture
def operator(shim: RunningShim, tenant: str) -> str:
    """A key of the tenant that may see what operators see."""
    return elsewhere(lambda: in_database(shim.dsn, lambda db: create_key(db, tenant, scopes=frozenset(Scope))))


def set_aside(kafka: str, tenant: str) -> tuple[str, str]:
    """The ids of jobs whose event, and whose bytes that nobody can read, are dead letters."""
    ids = str(uuid.uuid4()), str(uuid.uuid4())
    sample = SAMPLES["JobRequested-full"]
    assert isinstance(sample, JobRequested)
    request = replace(sample, tenant=tenant, job_id=uuid.UUID(ids[0]), metadata={"note": HOSTILE})
    for job_id, value, code in zip(
        ids, (Serde().encode(request), b"<b>\xff"), ("internal", "undecodable"), strict=True
    ):
        headers = dead_letter_headers(
            {"x-upstream": HOSTILE}, Origin(JOBS, 0, 5), TRANSCRIBERS, "poison", code, HOSTILE
        )
        elsewhere(partial(publish_to, kafka, Record(dlq_topic(TRANSCRIBERS), job_id.encode(), value, headers)))
    return ids


def test_dead_letters_are_found_and_read_as_text(
    browser: Browser, reading: RunningShim, kafka: str, tenant: str, operator: str
) -> None:
    event, noise = set_aside(kafka, tenant)
    with visiting(browser, reading.url) as visit:
        visit.log_in(operator)
        page = visit.page
        page.get_by_role("link", name="Operators").click()
        page.get_by_label("Job", exact=True).fill(event)
        page.get_by_label("Group").select_option("transcribers")
        page.get_by_role("button", name="Show", exact=True).click()
        letters = page.locator(".letters li")
        expect(letters).to_have_count(1)
        expect(letters).to_contain_text("internal")
        letters.locator("summary").click()
        expect(letters.locator("pre")).to_contain_text(HOSTILE.replace('"', '\\"'))
        expect(letters).to_contain_text("scribe dlq redrive transcribers/")
        expect(letters.locator("dd").filter(has_text=tenant).first).to_be_visible()
        page.get_by_label("Job", exact=True).fill(noise)
        page.get_by_label("Error code").fill("undecodable")
        page.get_by_label("Error code").press("Enter")
        expect(letters).to_contain_text("nobody can read it")
        letters.locator("summary").click()
        expect(letters.locator("pre")).to_have_text(b"<b>\xff".hex())
        assert page.locator(".letters img, .letters script, .letters b").count() == 0
        assert "caught" not in page.title()
        assert visit.serious() == []
        page.get_by_label("Error code").fill("undecodeable")
        page.get_by_role("button", name="Show", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("undecodable")
    assert [fault for fault in visit.faults if "422" not in fault] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_why_a_job_is_stuck_by_keyboard_on_a_phone(
    browser: Browser, reading: RunningShim, shim: RunningShim, operator: str, key: str, scheme: str
) -> None:
    """From the job itself: the gate, its evidence, what to do, and its dead letters, of which there are none."""
    request = submitted(shim, key)
    with psycopg.connect(shim.dsn) as connection:
        connection.execute("UPDATE outbox SET failed_at = now(), failed_reason = %s", [HOSTILE])
    with visiting(browser, reading.url, viewport=PHONE, color_scheme=scheme) as visit:
        visit.log_in(operator)
        visit.show(f"#/jobs/{request.job_id}")
        page = visit.page
        page.get_by_role("link", name="More for operators").press("Enter")
        gate = page.locator(".gate")
        expect(gate).to_contain_text("outbox_refused")
        expect(gate).to_contain_text(f"Kafka refused it: {HOSTILE}")
        expect(gate.locator("code").last).to_have_text("scribe replay --job JOB --include-running")
        expect(page.get_by_text("No dead letter fits.")).to_be_visible()
        assert page.locator(".gate img, .gate script").count() == 0
        assert visit.overflow() <= 0
        assert visit.serious() == []
    assert visit.faults == []


def test_others_are_offered_nothing_of_it(visit: PageVisit, shim: RunningShim, key: str, operator: str) -> None:
    request = submitted(shim, key)
    visit.show(f"#/jobs/{request.job_id}")
    visit.page.get_by_role("heading", name="call.opus").wait_for()
    expect(visit.page.get_by_role("link", name="Operators")).to_have_count(0)
    expect(visit.page.get_by_role("link", name="More for operators")).to_have_count(0)
    visit.show("#/operator")
    visit.page.get_by_role("heading", name="Recordings", exact=True).wait_for()
    # where dead letters are not read, operators are told how they are
    visit.page.get_by_role("button", name="Log out").click()
    visit.log_in(operator)
    visit.show("#/operator")
    expect(visit.page.get_by_text("scribe dlq list")).to_be_visible()
