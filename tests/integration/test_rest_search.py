"""Search over REST and on the command line: own transcripts only, page by page, whatever strangers send."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from uuid import uuid4

import httpx
import psycopg
import pytest

from producers.api.http.concurrency_limiter import TenantConcurrencyLimiter
from schemas.transcript import Segment, Transcript
from sink.memory import MemoryObjectStore
from tests.integration.commands import Run, lines
from tests.integration.rest import check_problem
from tests.integration.shim import RunningShim, serving
from tests.samples import AT, FULL_REQUEST

pytestmark = pytest.mark.postgres


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


def said(shim: RunningShim, *texts: str, language: str = "en", tenant: str = "acme", hours: int = 0) -> str:
    """A job whose speaker said these things."""
    request = replace(
        FULL_REQUEST, job_id=uuid4(), tenant=tenant, run=1, requested_at=AT + timedelta(hours=hours), enhancement=None
    )
    segments = tuple(Segment(start=60.0 * n, end=60.0 * n + 2, text=t, speaker="ANA") for n, t in enumerate(texts))
    shim.complete(request, Transcript(language=language, duration=60.0 * len(texts), segments=segments))
    return str(request.job_id)


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_a_hit_says_where_and_by_whom_something_was_said(shim: RunningShim, client: httpx.Client) -> None:
    job_id = said(shim, "hello", "<b>our</b> refund policy")
    answer = client.get("/api/v1/search", params={"q": "refunds policy"}).json()
    assert answer["next_cursor"] is None
    (hit,) = answer["hits"]
    assert hit["snippet"] == [{"text": "<b>our</b> ", "match": False}, {"text": "refund policy", "match": True}]
    assert (hit["job_id"], hit["recording_id"], hit["position"], hit["start"], hit["end"], hit["speaker"]) == (
        job_id,
        "call-17",
        1,
        60.0,
        62.0,
        "ANA",
    )
    assert hit["name"] == "שיחה 17.wav"
    assert client.get(hit["links"]["transcript"]).json()["segments"][hit["position"]]["start"] == 60.0


def test_what_was_said_in_another_language_than_the_recording_is_found_as_that(
    shim: RunningShim, client: httpx.Client, run_here: Run
) -> None:
    segments = tuple(
        Segment(start=float(n), end=n + 1.0, text=text, language=language)
        for n, (text, language) in enumerate((("our policies", "en"), ("וכשהבית היה ריק", "he"), ("policies", "ru")))
    )
    request = replace(FULL_REQUEST, job_id=uuid4(), tenant="acme", run=1, enhancement=None)
    shim.complete(request, Transcript(language="en", duration=3.0, segments=segments))
    for q, language, found in (("בית", "he", ["he"]), ("בית", "en", []), ("policies", None, ["en", "ru"])):
        params = {"q": q} | ({"language": language} if language else {})
        hits = client.get("/api/v1/search", params=params).json()["hits"]
        assert [hit["language"] for hit in hits] == found
    done = run_here("search", "policies", "--language", "ru", SCRIBE_API_URL=shim.url, SCRIBE_API_KEY=shim.key)
    assert done.stdout.splitlines() == [f"{request.job_id} call-17", "  [00:00:02] policies"]


def test_pages_follow_each_other_from_new_to_old(shim: RunningShim, client: httpx.Client) -> None:
    jobs = [said(shim, "refund", "refund again", hours=n) for n in range(3)]
    seen: list[tuple[str, int]] = []
    params: dict[str, str | int] = {"q": "refund", "limit": 4}
    for size in (4, 2):
        answer = client.get("/api/v1/search", params=params).json()
        assert len(answer["hits"]) == size
        seen += [(hit["job_id"], hit["position"]) for hit in answer["hits"]]
        params["cursor"] = answer["next_cursor"]
    assert answer["next_cursor"] is None
    assert seen == [(job, position) for job in reversed(jobs) for position in (0, 1)]


def test_nobody_finds_what_others_said(shim: RunningShim, client: httpx.Client) -> None:
    said(shim, "refund", tenant="globex")
    assert client.get("/api/v1/search", params={"q": "refund"}).json()["hits"] == []
    with shim.client(shim.key_of("globex")) as theirs:
        assert len(theirs.get("/api/v1/search", params={"q": "refund"}).json()["hits"]) == 1
    nobodys = httpx.get(f"{shim.url}/api/v1/search?q=refund", timeout=90, trust_env=False)
    assert code(nobodys) == (401, "unauthorized")


def test_mistakes_are_named(client: httpx.Client) -> None:
    other_list = "WyIyMDI2LTAxLTAyVDAzOjA0OjA1KzAwOjAwIiwgIjExMTExMTExMjIyMjQzMzM4NDQ0NTU1NTU1NTU1NTU1Il0"
    for params, field in (
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": "the"}, None),  # a word that only some languages pass over
        ({"q": "-refund"}, "q"),
        ({"q": "x" * 257}, "q"),
        ({"q": "x", "language": "Hebrew"}, "language"),
        ({"q": "x", "limit": "0"}, "limit"),
        ({"q": "x", "limit": "51"}, "limit"),
        ({"q": "x", "cursor": "nonsense"}, "cursor"),
        ({"q": "x", "cursor": other_list}, "cursor"),
    ):
        answer = client.get("/api/v1/search", params=params)
        if field is None:
            assert answer.status_code == 200
            continue
        assert code(answer) == (422, "invalid_request"), params
        assert [error["field"] for error in answer.json()["errors"]] == [field], params


def test_bytes_of_any_kind_are_no_error_of_ours(client: httpx.Client) -> None:
    for raw in (
        "%00",
        "%27%27%5C",
        "a%26b%7C%21",
        "%22%22%22",
        "%E2%80%AE%D7%90",
        "((((%3C-%3E",
    ):
        answer = client.get(f"/api/v1/search?q=x+{raw}")
        assert answer.status_code == 200, raw
    for raw in ("%FF%FE", "%ED%A0%80"):
        check_problem(client.get(f"/api/v1/search?q=x+{raw}"), 422, "invalid_request")


def test_the_command_prints_each_job_with_its_hits(shim: RunningShim, run_here: Run) -> None:
    older = said(shim, "the refund\x1b[31m", "hello", "refund twice")
    newer = said(shim, "קיבלתי את ההחזר", language="he", hours=1)
    where = {"SCRIBE_API_URL": shim.url, "SCRIBE_API_KEY": shim.key}
    done = run_here("search", "refund or החזר", **where)
    assert done.stdout.splitlines() == [
        f"{newer} call-17",
        "  [00:00:00] ANA: קיבלתי את ההחזר",
        f"{older} call-17",
        "  [00:00:00] ANA: the refund[31m",
        "  [00:02:00] ANA: refund twice",
    ]
    hits = lines(run_here("search", "refund", "--limit", "1", "--json", **where).stdout)
    assert [hit["position"] for hit in hits] == [0]
    nothing = run_here("search", "voucher", **where)
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "nothing found\n")
    common = run_here("search", "the of", **where)
    assert (common.returncode, common.stdout) == (0, "")
    assert common.stderr == "nothing found: `the`, `of` are too common to be searched for; add a rarer word\n"
    english = run_here("search", "the", "--language", "en", **where)
    assert (english.returncode, "too common to be searched for (the): add a rarer one" in english.stderr) == (2, True)
    assert run_here("search", "--", "-refund", **where).returncode == 2


def test_the_command_indexes_what_was_there_before(database: str, run_here: Run) -> None:
    assert run_here("database", "index", SCRIBE_POSTGRES_DSN=database).stdout == "indexed 0 segments\n"


def test_one_tenants_heavy_searches_leave_places_to_the_others(database: str) -> None:
    """Two run, the rest is told to come back, and somebody else's search is answered meanwhile."""
    with psycopg.connect(database, autocommit=True) as connection:  # in the place of words that are hard to find
        connection.execute(
            "CREATE OR REPLACE FUNCTION scribe_search_asked(asked text, wanted text) RETURNS tsquery LANGUAGE plpgsql AS"
            " $$ BEGIN IF asked = 'heavy' THEN PERFORM pg_advisory_xact_lock_shared(17); END IF; RETURN 'word'; END $$"
        )
        connection.execute("SELECT pg_advisory_lock(17)")
        with (
            serving(
                database, MemoryObjectStore(), searches=TenantConcurrencyLimiter(seconds=0.1), query_seconds=60
            ) as shim,
            shim.client() as client,
            shim.client(shim.key_of("globex")) as other,
            ThreadPoolExecutor(6) as pool,
        ):
            heavy = [pool.submit(client.get, "/api/v1/search", params={"q": "heavy"}) for _ in range(6)]
            refused = [future.result() for future in islice(as_completed(heavy), 4)]
            assert other.get("/api/v1/search", params={"q": "light"}).status_code == 200
            running = [future for future in heavy if not future.done()]
            connection.execute("SELECT pg_advisory_unlock(17)")
            assert [future.result().status_code for future in running] == [200, 200]
    for answer in refused:
        problem = check_problem(answer, 503, "busy")
        assert "2 of the tenant's run already" in problem["detail"]
        assert int(answer.headers["retry-after"]) > 0
