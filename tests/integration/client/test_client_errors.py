"""The client before servers that are away, refuse, or are none of ours."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from producers.api.jobs.views import JobSummary, ProgressView
from producers.client import (
    AnswerLost,
    Client,
    Forbidden,
    InvalidRequest,
    NotFound,
    Retries,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from tests.integration.client.clients import Kind, Opener, opened
from tests.integration.client.scripted import answer, away, scripted
from tests.integration.rest import URL
from tests.integration.shim import RunningShim

JOB_ID = uuid4()
JOB = JobSummary(
    job_id=JOB_ID,
    state="queued",
    recording_id=None,
    name=None,
    run=1,
    attempt=1,
    source=URL,
    options={},
    priority="standard",
    metadata={},
    webhook_url=None,
    requested_at=datetime.now(UTC),
    updated_at=datetime.now(UTC),
    completed_at=None,
    expires_at=None,
    cancel_requested_at=None,
    progress=ProgressView(),
    links={},
).model_dump(mode="json")
QUEUED = answer(202, json.dumps(JOB).encode(), content_type="application/json")
HTML = answer(200, b"<html>Welcome</html>", content_type="text/html")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_pass_is_sent_again_under_the_same_key(client_of: Opener, status: int) -> None:
    with scripted(away(status), away(status), QUEUED) as server:
        assert client_of(server.url).submit(URL).job_id == JOB_ID
    assert len(server.requests) == 3
    (key,) = set(server.headers("idempotency-key"))
    assert key


def test_each_submission_has_a_key_of_its_own(client_of: Opener) -> None:
    with scripted(QUEUED) as server:
        client = client_of(server.url)
        client.submit(URL)
        client.submit(URL)
        client.submit(URL, idempotency_key="mine")
        client.submit(URL, job_id=JOB_ID)
    first, second, third, fourth = server.headers("idempotency-key")
    assert first
    assert second not in (None, first)
    assert (third, fourth) == ("mine", None)


def test_what_would_be_done_twice_is_sent_once(client_of: Opener) -> None:
    with scripted(away()) as server, pytest.raises(Unavailable) as caught:
        client_of(server.url).redeliver(uuid4())
    assert len(server.requests) == 1
    assert (caught.value.code, caught.value.status, caught.value.retry_after) == ("unavailable", 503, 0.0)
    assert (caught.value.detail, caught.value.request_id, str(caught.value)) == ("Try again.", "r1", "Away: Try again.")


def test_trying_again_has_an_end(client_of: Opener) -> None:
    with scripted(away()) as server, pytest.raises(Unavailable):
        client_of(server.url).job(JOB_ID)
    assert len(server.requests) == 3


def test_a_longer_pause_than_there_is_time_is_for_the_caller(client_of: Opener) -> None:
    with scripted(away(429, "3600")) as server, pytest.raises(TooManyRequests) as caught:
        client_of(server.url).submit(URL)
    assert (len(server.requests), caught.value.retry_after) == (1, 3600.0)


@pytest.mark.parametrize("whole", [HTML, answer(200, b"{}"), answer(200, b"[]"), answer(404, b"<html>")])
def test_an_answer_that_is_not_ours_is_said_to_be_none(client_of: Opener, whole: bytes) -> None:
    with scripted(whole) as server, pytest.raises(UnexpectedAnswer, match="not as Scribe Rabbit does"):
        client_of(server.url).job(JOB_ID)
    assert len(server.requests) == 1


def test_a_body_cut_short_is_read_again(client_of: Opener) -> None:
    body = json.dumps(JOB).encode()
    with scripted(answer(200, body[:50], length=len(body)), answer(200, body)) as server:
        assert client_of(server.url).job(JOB_ID).job_id == JOB_ID
    assert len(server.requests) == 2
    with scripted(answer(200, body[:50], length=len(body))) as server, pytest.raises(AnswerLost):
        client_of(server.url).job(JOB_ID)
    assert len(server.requests) == 3


def test_a_connection_that_ends_without_an_answer_is_no_answer(client_of: Opener) -> None:
    with scripted(b"") as server, pytest.raises(AnswerLost):
        client_of(server.url).redeliver(uuid4())
    assert len(server.requests) == 1


def test_nobody_there(client_of: Opener) -> None:
    with pytest.raises(Unreachable):
        client_of("http://127.0.0.1:9", retries=Retries(attempts=2)).job(JOB_ID)


def test_a_newer_server_is_understood(client_of: Opener) -> None:
    """Fields, states, kinds of events and codes of errors that this version does not know."""
    newer = {**JOB, "state": "pondering", "mood": {"x": 1}, "progress": {**JOB["progress"], "eta": 5}}
    with scripted(answer(200, json.dumps(newer).encode())) as server:
        job = client_of(server.url).job(JOB_ID)
    assert (job.state, job.has_ended, job.raw["mood"], job.progress.raw["eta"]) == ("pondering", False, {"x": 1}, 5)
    problem = b'{"title": "T", "detail": "D", "code": "brand_new", "errors": [{"field": "f", "message": "m"}], "z": 0}'
    with scripted(answer(418, problem)) as server, pytest.raises(Exception, match="T: D") as caught:
        client_of(server.url).job(JOB_ID)
    assert vars(caught.value)["code"] == "brand_new"
    assert vars(caught.value)["errors"] == (("f", "m"),)


def test_a_redirect_is_not_followed_with_the_key(client_of: Opener) -> None:
    with scripted(QUEUED) as elsewhere, scripted(answer(307, location=f"{elsewhere.url}/api")) as server:
        with pytest.raises(UnexpectedAnswer, match=elsewhere.url):
            client_of(server.url).job(JOB_ID)
        assert server.headers("x-api-key") == ["sr_live_x"]
    assert elsewhere.requests == []


def test_a_key_is_seen_nowhere(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(away(), away(), away()) as server, opened(kind, server.url, "sr_live_secret") as client:
        with pytest.raises(Unavailable) as caught:
            client.job(JOB_ID)
        shown = [repr(client), str(client), repr(caught.value), str(caught.value), caplog.text]
    assert "again in" in caplog.text
    assert [text for text in shown if "secret" in text] == []
    with pytest.raises(ValueError, match="ASCII") as refused:
        Client("http://127.0.0.1", "secret\n")
    assert "secret" not in str(refused.value)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no address"):
        Client("scribe.example", "k")


def test_errors_are_typed(shim: RunningShim, api: Client, client_of: Opener, tmp_path: Path) -> None:
    with pytest.raises(Unauthorized) as unknown:
        client_of(shim.url, "sr_live_wrong").job(JOB_ID)
    assert unknown.value.code == "unauthorized"
    with pytest.raises(NotFound):
        api.job(JOB_ID)
    with pytest.raises(InvalidRequest) as invalid:
        api.submit(URL, language="tlh")
    assert invalid.value.code == "unknown_language"
    with pytest.raises(InvalidRequest) as wrong:
        api.submit(URL, num_speakers=0)
    assert [field for field, _ in wrong.value.errors] == ["num_speakers"]
    with pytest.raises(Forbidden):
        api.keys()
    with pytest.raises(NotFound):
        api.save_audio(JOB_ID, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
