"""The list of jobs over REST: filters, pages, whose they are, and every mistake named."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from producers.api.http.concurrency_limiter import TenantConcurrencyLimiter
from producers.api.jobs.listing import MAX_LISTED, JobList
from schemas.vocabulary.job_states import JOB_STATES
from sink.memory import MemoryObjectStore
from tests.integration.rest import URL, check_problem, request_of
from tests.integration.shim import RunningShim, serving

PATH = "/api/v1/jobs"


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


def submitted(client: httpx.Client, number: int, **body: Any) -> list[str]:
    """Ids, the newest first."""
    jobs = [client.post("/api/v1/transcribe", json={"url": URL, **body}).json() for _ in range(number)]
    return [job["job_id"] for job in sorted(jobs, key=lambda job: (job["requested_at"], job["job_id"]), reverse=True)]


def ids(client: httpx.Client, **params: Any) -> list[str]:
    answer = client.get(PATH, params=params)
    assert answer.status_code == 200, answer.text
    return [job["job_id"] for job in answer.json()["jobs"]]


def test_a_list_is_the_summaries_of_the_jobs(shim: RunningShim, client: httpx.Client) -> None:
    waiting, done, failed = (request_of(client) for _ in range(3))
    shim.complete(done)
    shim.fail(failed)
    page = client.get(PATH).json()
    assert page["next_cursor"] is None
    by_id = {job["job_id"]: job for job in page["jobs"]}
    assert [job["job_id"] for job in page["jobs"]] == [str(job.job_id) for job in (failed, done, waiting)]
    for request, state in ((waiting, "queued"), (done, "completed"), (failed, "failed")):
        job = by_id[str(request.job_id)]
        whole = client.get(job["links"]["self"]).json()
        assert job == {name: value for name, value in whole.items() if name not in ("history", "enhancements")}
        assert (job["state"], job["name"], "segments" in str(job)) == (state, "call.opus", False)
    assert by_id[str(failed.job_id)]["error"]["code"] == "media_empty"
    assert by_id[str(done.job_id)]["progress"]["fraction"] == 1.0


def test_notes_are_looked_for_by_key_and_value(client: httpx.Client) -> None:
    (job,) = submitted(client, 1, metadata={"crm": "4=2", "team": "a,b"})
    assert ids(client, metadata=["crm=4=2"]) == ids(client, metadata=["team=a,b", "crm=4=2"]) == [job]
    assert ids(client, metadata=["crm=4=2", "crm2="]) == ids(client, metadata=["crm=4"]) == []


def test_filters_are_those_of_the_document(shim: RunningShim, client: httpx.Client) -> None:
    plain, hebrew = request_of(client), request_of(client, language="he", model="hebrew", priority="express")
    both = [str(hebrew.job_id), str(plain.job_id)]
    shim.fail(plain)
    for params, found in (
        ({"state": "failed"}, both[1:]),
        ({"state": "failed,queued"}, both),
        ({"state": ["failed", "queued"]}, both),
        ({"state": ["failed", "queued, cancelled"]}, both),
        ({"language": "he"}, both[:1]),
        ({"model": "hebrew"}, both[:1]),
        ({"priority": "express"}, both[:1]),
        ({"priority": "standard", "state": "failed"}, both[1:]),
        ({"name": "CALL"}, both),
        ({"name": "שיחה"}, []),
        ({"since": hebrew.requested_at.isoformat()}, both[:1]),
        ({"until": hebrew.requested_at.isoformat()}, both[1:]),
        ({"prefix": both[1][:8]}, both[1:]),
        ({"prefix": f" {both[1][:13].upper()}"}, both[1:]),
        ({"prefix": both[1]}, both[1:]),
        ({"recording_id": "call-18"}, []),
    ):
        assert ids(client, **params) == found, params


def test_pages_follow_each_other_while_jobs_come(client: httpx.Client) -> None:
    jobs = submitted(client, 5)
    for filters in ({}, {"state": "queued,failed"}, {"name": "call"}):
        seen: list[str] = []
        params: dict[str, Any] = {"limit": 2, "until": "2100-01-01T00:00:00Z", **filters}
        while True:
            page = client.get(PATH, params=params).json()
            seen += [job["job_id"] for job in page["jobs"]]
            submitted(client, 1)
            if page["next_cursor"] is None or len(seen) > 40:
                break
            params["cursor"] = page["next_cursor"]
        assert [job for job in seen if job in jobs] == jobs
        assert len(set(seen)) == len(seen)


ELSEWHERE: list[tuple[str, dict[str, str]]] = [
    ("/api/v1/webhooks/deliveries", {}),
    ("/api/v1/webhooks/endpoints", {}),
    ("/api/v1/search", {"q": "refund"}),
]


def test_a_cursor_is_that_of_its_filters(client: httpx.Client) -> None:
    submitted(client, 3)
    filters = {"state": "queued,failed", "since": "2026-01-31T12:00:00Z"}
    cursor = client.get(PATH, params={"limit": 1, **filters}).json()["next_cursor"]
    same = {"state": "failed,queued", "since": "2026-01-31T13:00:00+01:00", "limit": 2}
    assert len(ids(client, cursor=cursor, **same)) == 2
    for other in ({}, {"state": "queued"}, {**filters, "name": "call"}, {**filters, "metadata": ["a=b"]}):
        problem = check_problem(client.get(PATH, params={**other, "cursor": cursor}), 422, "invalid_request")
        assert problem["errors"][0]["field"] == "cursor"
        assert "other filters" in problem["errors"][0]["message"]
    for path, wanted in ELSEWHERE:
        problem = check_problem(client.get(path, params={**wanted, "cursor": cursor}), 422, "invalid_request")
        assert "another list" in problem["errors"][0]["message"], path


def test_nobody_sees_what_others_have(shim: RunningShim, client: httpx.Client) -> None:
    (job,) = submitted(client, 1)
    with shim.client(shim.key_of("globex")) as other:
        assert ids(other) == ids(other, prefix=job) == ids(other, state="queued") == []
        cursor = client.get(PATH, params={"limit": 1}).json()["next_cursor"]
        assert cursor is None
    with httpx.Client(base_url=shim.url, timeout=90, trust_env=False) as nobody:
        check_problem(nobody.get(PATH), 401, "unauthorized")


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"state": "done"}, "state", f"'done' is no state: there are {', '.join(JOB_STATES)}"),
    ({"state": ""}, "state", "there are queued"),
    ({"state": "queued,"}, "state", "there are queued"),
    ({"state": "x" * 9000}, "state", "there are queued"),
    ({"priority": "urgent"}, "priority", "'standard' or 'express'"),
    ({"language": "Hebrew"}, "language", "he, hi, hr"),
    ({"since": "2026-01-31"}, "since", "with its offset"),
    ({"since": "2026-01-31T12:00:00+01:00", "until": "2026-01-31T11:00:00Z"}, "until", "later than since"),
    ({"prefix": "0b7"}, "prefix", "first 4 or more hex digits"),
    ({"prefix": "0b7g"}, "prefix", "first 4 or more hex digits"),
    ({"prefix": "0" * 33}, "prefix", "first 4 or more hex digits"),
    ({"metadata": "crm"}, "metadata", "KEY=VALUE"),
    ({"metadata": [f"a{number}=b" for number in range(9)]}, "metadata", "at most 8"),
    ({"metadata": ["k=1", "x=1", "k=v=w"]}, "metadata", "'k' is given more than once"),
    ({"metadata": ["k=1", "k=1"]}, "metadata", "'k' is given more than once"),
    ({"limit": "0"}, "limit", "greater than or equal to 1"),
    ({"limit": str(MAX_LISTED + 1)}, "limit", f"less than or equal to {MAX_LISTED}"),
    ({"limit": ["1", "2"]}, "limit", "more than once"),
    ({"name": ""}, "name", "at least 1"),
    ({"cursor": "nonsense"}, "cursor", "this service gave out"),
    ({"status": "failed"}, "status", "unknown parameter `status`; did you mean `state`?"),
]


def test_mistakes_name_what_is_allowed(client: httpx.Client) -> None:
    for params, field, words in MISTAKES:
        problem = check_problem(client.get(PATH, params=params), 422, "invalid_request")
        assert [error["field"] for error in problem["errors"]] == [field], params
        assert words in problem["errors"][0]["message"], params


def test_bytes_of_any_kind_are_no_error_of_ours(client: httpx.Client) -> None:
    submitted(client, 1)
    for raw in ("%00", "%27%27%5C%25", "%E2%80%AE", "%25_"):
        for name in ("name", "model", "recording_id"):
            answer = client.get(f"{PATH}?{name}=x{raw}")
            assert (answer.status_code, answer.json().get("jobs")) == (200, []), (name, raw)
        assert client.get(f"{PATH}?metadata=a{raw}=b{raw}").json()["jobs"] == []
    for raw in ("%FF%FE", "%ED%A0%80"):
        for name in ("name", "model", "recording_id", "metadata"):
            check_problem(client.get(f"{PATH}?{name}=x{raw}"), 422, "invalid_request")


def test_a_list_that_takes_too_long_is_given_up_and_leaves_places_to_the_others(database: str) -> None:
    with (
        serving(
            database, MemoryObjectStore(), searches=TenantConcurrencyLimiter(seconds=0.1), query_seconds=1.0
        ) as shim,
        shim.client() as client,
        ThreadPoolExecutor(4) as pool,
        psycopg.connect(database) as connection,
    ):
        connection.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")  # in the place of millions of rows
        answers = list(pool.map(lambda _: client.get(PATH, params={"name": "call"}), range(4)))
        assert sorted(answer.json()["code"] for answer in answers) == ["busy"] * 2 + ["search_too_broad"] * 2
        # what an index answers waits for nobody's place
        check_problem(client.get(PATH, params={"state": "failed"}), 422, "search_too_broad")


def test_the_example_is_a_page(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()["paths"][PATH]["get"]
    example = document["responses"]["200"]["content"]["application/json"]["example"]
    assert JobList.model_validate(example)
    assert document["description"]
    assert all(each["schema"].get("description") for each in document["parameters"])
    submitted(client, 1)
    page = client.get(PATH).json()
    assert page["jobs"][0].keys() == example["jobs"][0].keys()
