"""Estimates of a job's end as clients read them, and new jobs that are refused because they would wait too long."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest

from producers.waiting.forecast_cache import ForecastCache
from sink.memory import MemoryObjectStore
from tests.integration.rest import URL, check_openai_error, check_problem, done_before
from tests.integration.shim import RunningShim, serving

WORK = 30.0  # seconds that one worker takes for a job that is like those before it


def always_anew() -> ForecastCache:
    """A cache whose clock leaps each time that a forecast is made, so that each request sees what the one before has done."""
    asked = count()
    return ForecastCache(clock=lambda: float(next(asked) // 6 * 100))  # six times for each


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore(), forecasts=always_anew()) as running:
        yield running


def with_history(shim: RunningShim, client: httpx.Client) -> None:
    """A job that began five minutes ago, right after its request, and took WORK seconds for a minute of audio."""
    began = datetime.now(UTC) - timedelta(minutes=5)
    done_before(shim, submitted(client)["job_id"], began, WORK, requested_at=began - timedelta(seconds=1))


def submitted(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/transcribe", json={"url": URL, **body})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def seconds_until(text: str) -> float:
    return (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()


def test_waiting_jobs_are_estimated_from_those_before_them(shim: RunningShim, client: httpx.Client) -> None:
    with_history(shim, client)
    jobs = [submitted(client) for _ in range(4)]
    assert {job["estimate"] for job in jobs} == {None}  # an answer to a repeated request is that to the first
    for number, job in enumerate(jobs):
        found = client.get(job["links"]["self"]).json()["estimate"]
        assert found["position"] == number + 1
        # this machine may be slow, and the times are coarse
        assert seconds_until(found["starts_at"]) == pytest.approx(number * WORK, abs=15)
        assert seconds_until(found["ends_at"]) == pytest.approx((number + 1) * WORK, abs=15)
    listed = client.get("/api/v1/jobs?state=queued").json()["jobs"]
    assert [job["estimate"]["position"] for job in listed] == [4, 3, 2, 1]
    ended = client.get("/api/v1/jobs?state=completed").json()["jobs"]
    assert [job["estimate"] for job in ended] == [None]


def test_without_a_completed_job_nothing_is_claimed(client: httpx.Client) -> None:
    job = submitted(client)
    assert client.get(job["links"]["self"]).json()["estimate"] is None


def test_an_unchanged_estimate_is_not_sent_again(database: str) -> None:
    with (
        serving(database, MemoryObjectStore(), forecasts=ForecastCache(clock=lambda: 0.0)) as shim,
        shim.client() as client,
    ):
        with_history(shim, client)
        job = submitted(client)["links"]["self"]
        first = client.get(job)
        assert first.json()["estimate"] is not None
        assert client.get(job, headers={"If-None-Match": first.headers["etag"]}).status_code == 304


@pytest.fixture
def strict(database: str) -> Iterator[RunningShim]:
    """A shim that takes no job that would wait for more than two others."""
    with serving(database, MemoryObjectStore(), forecasts=always_anew(), most_wait_seconds=2.5 * WORK) as running:
        yield running


def upload(client: httpx.Client) -> httpx.Response:
    return client.post("/api/v1/transcribe/upload", files={"file": ("a.wav", b"RIFF" + bytes(40))})


def with_openai(client: httpx.Client) -> httpx.Response:
    file = {"file": ("a.wav", b"RIFF" + bytes(40))}
    return client.post("/v1/audio/transcriptions", data={"model": "whisper-1"}, files=file)


def test_a_job_that_would_wait_too_long_is_refused_at_every_door(strict: RunningShim) -> None:
    with strict.client() as client:
        with_history(strict, client)
        kept = [submitted(client, job_id=f"00000000-0000-4000-8000-00000000000{number}") for number in range(3)]
        refused = client.post("/api/v1/transcribe", json={"url": URL})
        check_problem(refused, 429, "queue_too_long")
        assert 1 <= int(refused.headers["retry-after"]) <= WORK
        doors: list[Callable[[httpx.Client], httpx.Response]] = [upload]
        for door in doors:
            check_problem(door(client), 429, "queue_too_long")
        check_openai_error(with_openai(client), 429, "queue_too_long")
        line = json.dumps({"url": URL})
        bulk = client.post("/api/v1/transcribe/bulk", content=line, headers={"Content-Type": "application/x-ndjson"})
        outcome = json.loads(bulk.text)
        assert outcome["problem"]["code"] == "queue_too_long"
        assert 1 <= outcome["retry_after"] <= WORK
        announced = client.post("/api/v1/uploads", headers={"Upload-Length": "4"})
        check_problem(announced, 429, "queue_too_long")
        # what was accepted once is answered again, and what others have waiting is not this tenant's
        assert submitted(client, job_id=kept[0]["job_id"]) == kept[0]
    with strict.client(strict.key_of("globex")) as neighbour:
        assert neighbour.post("/api/v1/transcribe", json={"url": URL}).status_code == 202
