"""Many jobs in one request, over real PostgreSQL: each line has its own outcome, and nothing comes twice."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from producers.api.jobs.bulk import MAX_BYTES, MOST_LINES, PATH
from schemas.events import TenantPolicy
from schemas.tenants.quotas import MOST_QUEUED
from sink.memory import MemoryObjectStore
from sink.tenants.policies import apply_policy
from tests.integration.rest import URL, check_problem, rows
from tests.integration.shim import RunningShim, in_transaction, serving
from tests.samples import AT

LINES = {"content-type": "application/x-ndjson"}


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


def body(*lines: dict[str, Any] | str) -> str:
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)


def sent(client: httpx.Client, content: str, **headers: str) -> list[dict[str, Any]]:
    answer = client.post(PATH, content=content, headers=LINES | headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_each_line_has_the_outcome_that_it_would_have_alone(shim: RunningShim, client: httpx.Client) -> None:
    mine = str(uuid4())
    content = body(
        {"url": URL, "language": "he"},
        "",
        {"url": URL, "langauge": "he"},
        "no json",
        {"url": "http://127.0.0.1/x"},
        {"url": URL, "job_id": mine},
        {"url": URL, "job_id": mine, "language": "he"},
        {"url": URL, "model": "none"},
    )
    found = sent(client, content)
    assert [(outcome["line"], outcome["status"]) for outcome in found] == [
        (1, 202),
        (3, 422),
        (4, 422),
        (5, 422),
        (6, 202),
        (7, 409),
        (8, 422),
    ]
    codes = ["invalid_request", "invalid_request", "source_refused", "conflict", "unknown_model"]
    assert [outcome["problem"]["code"] for outcome in found if outcome["problem"]] == codes
    assert "did you mean `language`" in found[1]["problem"]["detail"]
    accepted = {outcome["job"]["job_id"] for outcome in found if outcome["job"]}
    assert {str(job_id) for (job_id,) in rows(shim, "SELECT job_id FROM jobs")} == accepted
    assert rows(shim, "SELECT count(*) FROM outbox") == [(2,)]


def test_a_thousand_lines_are_a_thousand_jobs_also_when_sent_again(shim: RunningShim, client: httpx.Client) -> None:
    content = body(*({"url": f"{URL}&n={number}", "recording_id": str(number)} for number in range(MOST_LINES)))
    first, again = (sent(client, content, **{"Idempotency-Key": "import-7"}) for _ in range(2))
    assert [outcome["job"]["recording_id"] for outcome in first] == [str(number) for number in range(MOST_LINES)]
    assert [outcome["job"]["job_id"] for outcome in again] == [outcome["job"]["job_id"] for outcome in first]
    assert rows(shim, "SELECT count(*), count(DISTINCT job_id) FROM jobs") == [(MOST_LINES, MOST_LINES)]
    changed = sent(client, body({"url": URL}), **{"Idempotency-Key": "import-7"})
    assert changed[0]["problem"]["code"] == "idempotency_key_reused"


def test_the_key_of_a_line_is_no_key_of_a_single_job(client: httpx.Client) -> None:
    (line,) = sent(client, body({"url": URL}), **{"Idempotency-Key": "a"})
    for key in ("a", '"1 a"'):
        alone = client.post("/api/v1/transcribe", json={"url": URL}, headers={"Idempotency-Key": key})
        assert alone.json()["job_id"] != line["job"]["job_id"]


def test_a_quota_refuses_the_lines_beyond_it(shim: RunningShim, client: httpx.Client) -> None:
    policy = TenantPolicy(tenant="acme", at=AT, quotas={MOST_QUEUED: 3})
    in_transaction(shim.dsn, lambda connection: apply_policy(connection, policy))
    found = sent(client, body(*[{"url": URL}] * 8))
    assert Counter(outcome["status"] for outcome in found) == {202: 3, 429: 5}
    assert {outcome["problem"]["code"] for outcome in found if outcome["problem"]} == {"quota_exceeded"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        ("", LINES, 422, "invalid_request"),
        ("\n \r\n", LINES, 422, "invalid_request"),
        ("{}\n" * (MOST_LINES + 1), LINES, 422, "invalid_request"),
        (body({"url": URL}), {"content-type": "application/json"}, 415, "unsupported_media_type"),
        (body({"url": URL}), LINES | {"content-encoding": "gzip"}, 415, "unsupported_media_type"),
        (body({"url": URL}), LINES | {"x-api-key": "sr_live_x"}, 401, "unauthorized"),
        ("x" * (MAX_BYTES + 1), LINES, 413, "request_too_large"),
    ],
    ids=["nothing", "blank lines", "too many", "json", "packed", "no key", "too large"],
)
def test_what_is_no_such_request_is_refused_as_a_whole(
    shim: RunningShim, client: httpx.Client, content: str, headers: dict[str, str], status: int, code: str
) -> None:
    check_problem(client.post(PATH, content=content, headers=headers), status, code)
    assert rows(shim, "SELECT count(*) FROM jobs") == [(0,)]


def test_what_was_told_is_durable_when_the_client_leaves(shim: RunningShim, client: httpx.Client) -> None:
    content = body(*[{"url": URL}] * 300)
    with client.stream("POST", PATH, content=content, headers=LINES) as answer:
        lines = answer.iter_lines()
        told = [json.loads(next(lines)) for _ in range(10)]
    stored = {str(job_id) for (job_id,) in rows(shim, "SELECT job_id FROM jobs")}
    assert {outcome["job"]["job_id"] for outcome in told} <= stored


def test_an_outage_is_told_to_each_line_that_it_meets(shim: RunningShim, client: httpx.Client) -> None:
    """Tables that are missing are an outage like any other."""
    sent(client, body({"url": URL}))
    with psycopg.connect(shim.dsn) as connection:
        connection.execute("ALTER TABLE outbox RENAME TO elsewhere")
    found = sent(client, body(*[{"url": URL}] * 50))
    assert [(outcome["status"], outcome["problem"]["code"]) for outcome in found] == [(503, "unavailable")] * 50
