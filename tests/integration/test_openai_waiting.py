"""Requests under /v1 while their jobs run: sent again, left, waited for too long, and many at once."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import openai
import psycopg
import pytest

from producers.api.http.concurrency_limiter import TenantConcurrencyLimiter
from producers.api.openai.ends import EndWatcher
from sink.memory import MemoryObjectStore
from sink.objects.s3 import S3ObjectStore
from tests.integration.openai_door import PATH, RECORDING, accepted_after, client_of, ended, requests
from tests.integration.rest import check_openai_error, rows
from tests.integration.shim import RunningShim, serving
from tests.integration.waiting import wait_for
from tests.samples import AT, TRANSCRIPT

LONG = httpx.Timeout(90)


class Clock:
    """The time of the shim, at which its jobs end too."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> Any:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shim(database: str, object_store: S3ObjectStore, clock: Clock) -> Iterator[RunningShim]:
    with serving(database, object_store, now=clock) as running:
        yield running


def ask(shim: RunningShim, content: bytes = b"RIFF", key: str | None = None, **fields: Any) -> Any:
    with client_of(shim, key) as client:
        return client.audio.transcriptions.with_raw_response.create(file=("a.wav", content), model="any", **fields)


def job_ids(answers: list[Any]) -> set[str]:
    return {answer.headers["x-scribe-job-id"] for answer in answers}


def uploads_of(store: S3ObjectStore) -> int:
    return len(list(store.keys("acme/uploads/")))


def test_the_same_request_at_once_is_one_job(shim: RunningShim, object_store: S3ObjectStore) -> None:
    """Whatever form of answer each wants, as long as the work is the same; another tenant's is another."""
    forms = ["json", "text", "srt", "verbose_json"] * 2
    with ThreadPoolExecutor(9) as pool:
        same = [pool.submit(ask, shim, response_format=form) for form in forms]
        other = pool.submit(ask, shim, key=shim.key_of("globex"))
        wait_for(lambda: len(requests(shim)) == 2 and uploads_of(object_store) == 1)
        for request in requests(shim):
            shim.complete(request)
        answers = [answer.result(90) for answer in same]
    assert job_ids(answers) == {str(request.job_id) for request in requests(shim) if request.tenant == "acme"}
    assert other.result(90).headers["x-scribe-job-id"] not in job_ids(answers)
    assert rows(shim, "SELECT count(*) FROM jobs") == [(2,)]


def test_a_request_that_is_sent_again_finds_the_job_that_it_made(
    database: str, object_store: S3ObjectStore, clock: Clock
) -> None:
    """By the client itself, after each answer that came too late: three attempts, one job."""
    with serving(database, object_store, now=clock, wait_seconds=0.5) as shim, client_of(shim, max_retries=2) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            client.audio.transcriptions.create(file=RECORDING, model="any")
        error = caught.value
        assert (error.status_code, error.code, error.type) == (504, "not_ready", "server_error")
        (request,) = requests(shim)
        assert error.response.headers["x-scribe-job-id"] == str(request.job_id)
        assert error.response.request.headers["x-stainless-retry-count"] == "2"
        assert f"GET /api/v1/jobs/{request.job_id}" in error.message
        shim.complete(request)
        assert client.audio.transcriptions.create(file=RECORDING, model="any").text == "hello there שלום"
    assert uploads_of(object_store) == 1


def test_a_request_that_is_sent_again_gets_the_machines_transcript(shim: RunningShim, client: httpx.Client) -> None:
    """Corrections are made to a job, and whoever sends a recording there asks what a machine hears in it."""
    first = ended(shim, lambda: ask(shim), shim.complete)
    path = f"/api/v1/jobs/{first.headers['x-scribe-job-id']}/transcript"
    headers = {"If-Match": client.get(path).headers["etag"]}
    body = {"segments": [{"index": 0, "text": "corrected"}]}
    assert client.patch(path, json=body, headers=headers).status_code == 200
    again = ask(shim)
    assert job_ids([first, again]) == {path.split("/")[4]}
    assert again.parse().text == first.parse().text == "hello there שלום"


def test_an_hour_later_it_is_a_new_job(shim: RunningShim, clock: Clock) -> None:
    first = ended(shim, partial(ask, shim), shim.complete)
    clock.now += timedelta(minutes=59)
    assert job_ids([ask(shim)]) == job_ids([first])
    clock.now += timedelta(minutes=2)
    assert job_ids([ended(shim, partial(ask, shim), shim.complete)]) != job_ids([first])


def test_a_job_that_runs_is_found_across_the_hour(database: str, object_store: S3ObjectStore, clock: Clock) -> None:
    ends = EndWatcher()
    with serving(database, object_store, now=clock, ends=ends) as shim, ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, shim)
        request = accepted_after(shim, 0)
        clock.now += timedelta(minutes=61)
        again = pool.submit(ask, shim)
        wait_for(lambda: ends.waiting == 2)
        shim.complete(request)
        assert job_ids([first.result(90), again.result(90)]) == {str(request.job_id)}


def test_what_ended_without_a_transcript_is_done_anew_unless_it_would_end_so_again(shim: RunningShim) -> None:
    """Not by the client that was just told, but by one that begins anew; what was erased is done anew too."""
    with pytest.raises(openai.ConflictError) as cancelled:
        ended(shim, partial(ask, shim), shim.cancel)
    before = cancelled.value.response.headers
    with pytest.raises(openai.ConflictError) as again:
        ask(shim, extra_headers={"X-Stainless-Retry-Count": "1"})
    assert again.value.response.headers["x-scribe-job-id"] == before["x-scribe-job-id"]
    anew = ended(shim, partial(ask, shim), shim.complete)
    assert anew.headers["x-scribe-job-id"] != before["x-scribe-job-id"]
    with shim.client() as client:
        assert client.delete(f"/api/v1/jobs/{anew.headers['x-scribe-job-id']}?erase=true").status_code in {200, 202}
    assert job_ids([ended(shim, partial(ask, shim), shim.complete)]).isdisjoint(job_ids([anew]))
    with pytest.raises(openai.BadRequestError):
        ended(shim, partial(ask, shim, b"broken"), shim.fail)
    with pytest.raises(openai.BadRequestError):
        ask(shim, b"broken")
    assert len(requests(shim)) == 3  # without that of the erased one, which is gone


def test_a_key_of_ones_own_decides_instead(shim: RunningShim) -> None:
    keyed = partial(ask, shim, extra_headers={"Idempotency-Key": "mine"})
    first = ended(shim, keyed, shim.complete)
    assert job_ids([keyed()]) == job_ids([first])
    other = ended(shim, partial(ask, shim, extra_headers={"Idempotency-Key": "another"}), shim.complete)
    assert job_ids([other]) != job_ids([first])
    with pytest.raises(openai.BadRequestError) as reused:
        keyed(content=b"other")
    assert reused.value.code == "idempotency_key_reused"


def test_a_client_that_leaves_does_not_stop_its_job_and_holds_no_place(
    database: str, object_store: S3ObjectStore, clock: Clock
) -> None:
    """The only place of its tenant is free for the next, which finds the job; with a stream too."""
    one = TenantConcurrencyLimiter(places=1, per_tenant=1, seconds=60)
    with serving(database, object_store, now=clock, waits=one) as shim:
        for stream in (False, True):
            count = len(requests(shim))
            with client_of(shim, timeout=1.0) as hasty, pytest.raises(openai.APITimeoutError):
                list(hasty.audio.transcriptions.create(file=("a", b"%d" % stream), model="any", stream=stream))
            request = accepted_after(shim, count)
            shim.complete(request)
            assert job_ids([ask(shim, b"%d" % stream)]) == {str(request.job_id)}
        assert rows(shim, "SELECT count(*) FROM jobs WHERE cancel_requested_at IS NOT NULL") == [(0,)]


def test_two_hundred_that_wait_hold_no_connection_of_the_database(database: str, clock: Clock) -> None:
    """One query asks for all of them."""

    async def post(client: httpx.AsyncClient, number: int) -> httpx.Response:
        return await client.post(PATH, files={"file": ("a", b"%d" % number)})

    async def crowd(shim: RunningShim) -> list[httpx.Response]:
        limits, headers = httpx.Limits(max_connections=None), {"X-API-Key": shim.key}
        async with httpx.AsyncClient(
            base_url=shim.url, headers=headers, limits=limits, timeout=LONG, trust_env=False
        ) as client:
            return await asyncio.gather(*(post(client, number) for number in range(200)))

    with (
        serving(database, MemoryObjectStore(), now=clock) as shim,
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(shim.dsn, autocommit=True) as connection,
    ):
        answers = pool.submit(asyncio.run, crowd(shim))
        wait_for(lambda: answers.done() or rows(shim, "SELECT count(*) FROM jobs") == [(200,)])
        mine = "datname = current_database() AND pid <> pg_backend_pid()"
        counted = connection.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {mine}").fetchone()
        connection.execute("UPDATE jobs SET state = 'completed', completed_at = now(), duration = 1")
        found = answers.result(90)
    assert {answer.status_code for answer in found} == {200}
    assert len(job_ids(found)) == 200
    assert counted is not None
    assert counted[0] <= 10


def test_a_process_that_ends_tells_those_who_wait(database: str, object_store: S3ObjectStore, clock: Clock) -> None:
    """To come again, which finds the job at another process."""
    ends = EndWatcher()
    with serving(database, object_store, now=clock, ends=ends) as shim, shim.client() as client:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.post, PATH, files={"file": RECORDING}, timeout=LONG)
            request = accepted_after(shim, 0)
            wait_for(lambda: ends.waiting == 1)
            ends.stop()
            answer = waiting.result(90)
        check_openai_error(answer, 503, "unavailable")
        assert answer.headers["x-scribe-job-id"] == str(request.job_id)
        assert int(answer.headers["retry-after"]) > 0


def test_the_database_may_be_away_meanwhile(shim: RunningShim, postgres_server: Any) -> None:
    """Whoever waits is answered when it is back."""
    name = shim.dsn.rsplit("/", 1)[1]
    begun = threading.Event()

    def away(request: Any) -> None:
        with psycopg.connect(postgres_server.postgres_dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            begun.set()
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        shim.complete(request, TRANSCRIPT)

    assert ended(shim, partial(ask, shim, timeout=90), away).status_code == 200
    assert begun.is_set()
