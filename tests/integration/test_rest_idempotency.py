"""Requests that are sent again with their Idempotency-Key: one job, one object, one enhancement."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from sink.objects.s3 import S3ObjectStore
from tests.integration.rest import URL, check_problem, rows
from tests.integration.shim import RunningShim

TRANSCRIBE, UPLOAD = "/api/v1/transcribe", "/api/v1/transcribe/upload"


def keyed(key: str | bytes) -> dict[str, Any]:
    return {"headers": {"Idempotency-Key": key}}


def test_the_same_key_is_the_same_job(shim: RunningShim, client: httpx.Client) -> None:
    """However often, also beside each other, quoted or bare; another tenant's key is another key."""
    key, body = str(uuid4()), {"url": URL, "language": "he", "enable_summarization": False}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post(TRANSCRIBE, json=body, **keyed(key)), range(16)))
    quoted = client.post(TRANSCRIBE, json=body, **keyed(f'"{key}"'))
    assert {answer.status_code for answer in (*answers, quoted)} == {202}
    assert {answer.text for answer in answers} == {quoted.text}
    assert rows(shim, "SELECT count(*) FROM outbox") == [(1,)]
    with shim.client(shim.key_of("globex")) as other:
        theirs = other.post(TRANSCRIBE, json=body, **keyed(key)).json()
    assert theirs["job_id"] != quoted.json()["job_id"]
    assert client.post(TRANSCRIBE, json=body, **keyed(str(uuid4()))).json()["job_id"] != quoted.json()["job_id"]


def test_the_same_key_with_another_wish_is_refused(shim: RunningShim, client: httpx.Client) -> None:
    """At either door, and also when the job was erased."""
    key = str(uuid4())
    job_id = client.post(TRANSCRIBE, json={"url": URL}, **keyed(key)).json()["job_id"]
    for other in ({"url": URL + "2"}, {"url": URL, "language": "he"}, {"url": URL, "track": 2}):
        problem = check_problem(client.post(TRANSCRIBE, json=other, **keyed(key)), 422, "idempotency_key_reused")
        assert "new key" in problem["detail"]
    upload = client.post(UPLOAD, files={"file": ("a", b"RIFF")}, **keyed(key))
    check_problem(upload, 422, "idempotency_key_reused")
    assert client.delete(f"/api/v1/jobs/{job_id}?erase=true").status_code == 202
    erased = client.post(TRANSCRIBE, json={"url": URL}, **keyed(key))
    assert "was erased" in check_problem(erased, 422, "idempotency_key_reused")["detail"]


def test_the_same_upload_again_leaves_one_object(
    shim: RunningShim, client: httpx.Client, object_store: S3ObjectStore
) -> None:
    """Beside each other too; the content is part of the wish."""
    key = str(uuid4())

    def upload(content: bytes) -> httpx.Response:
        return client.post(UPLOAD, files={"file": ("a.wav", content)}, data={"language": "he"}, **keyed(key))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: upload(b"RIFF"), range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    check_problem(upload(b"other"), 422, "idempotency_key_reused")
    upload_id = answers[0].json()["source"].removeprefix("upload://")
    assert list(object_store.keys("acme/uploads/")) == [f"acme/uploads/{upload_id}"]
    assert rows(shim, "SELECT count(*) FROM jobs") == [(1,)]


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "two words", "שלום".encode(), '"open'])
def test_a_key_that_is_none_is_named(client: httpx.Client, key: str | bytes) -> None:
    for answer in (
        client.post(TRANSCRIBE, json={"url": URL}, **keyed(key)),
        client.post(UPLOAD, files={"file": ("a", b"RIFF")}, **keyed(key)),
        client.post("/api/v1/enhanced-ai", json={"transcription_job_id": str(uuid4())}, **keyed(key)),
    ):
        problem = check_problem(answer, 422, "invalid_request")
        assert [item["field"] for item in problem["errors"]] == ["Idempotency-Key"]


def test_a_key_is_given_once_and_instead_of_an_id(
    shim: RunningShim, client: httpx.Client, object_store: S3ObjectStore
) -> None:
    twice = httpx.Headers([("Idempotency-Key", "one"), ("Idempotency-Key", "one")])
    job = {"url": URL, "job_id": str(uuid4())}
    wish = {"transcription_job_id": str(uuid4()), "enhancement_id": str(uuid4())}
    for answer in (
        client.post(TRANSCRIBE, json={"url": URL}, headers=twice),
        client.post(TRANSCRIBE, json=job, **keyed("one")),
        client.post(UPLOAD, files={"file": ("a", b"RIFF")}, data={"job_id": str(uuid4())}, **keyed("one")),
        client.post("/api/v1/enhanced-ai", json=wish, **keyed("one")),
    ):
        problem = check_problem(answer, 422, "invalid_request")
        assert [item["field"] for item in problem["errors"]] == ["Idempotency-Key"]
    assert rows(shim, "SELECT count(*) FROM jobs") == [(0,)]
    assert list(object_store.keys("")) == []


def test_a_key_is_passed_over_by_nobody_who_would_do_things_twice(client: httpx.Client) -> None:
    """Every other POST says that it knows none; GET, PATCH and DELETE do once what they do twice."""
    document = client.get("/openapi.json").json()["paths"]
    knowing = set()
    for path, item in document.items():
        if "post" not in item:
            continue
        named = {parameter["name"] for parameter in item["post"].get("parameters", ())}
        there = path.replace("{endpoint_id}", str(uuid4())).replace("{delivery_id}", str(uuid4()))
        answer = client.post(there, **keyed("one"))
        if "Idempotency-Key" in named:
            knowing.add(path)
            continue
        problem = check_problem(answer, 422, "invalid_request")
        assert [item["field"] for item in problem["errors"]] == ["Idempotency-Key"], path
    audio = {"/v1/audio/transcriptions", "/v1/audio/translations"}
    begun = {"/api/v1/uploads", "/api/v1/presigned-uploads"}
    assert knowing == {TRANSCRIBE, UPLOAD, f"{TRANSCRIBE}/bulk", "/api/v1/enhanced-ai", *begun, *audio}
    for misspelt in (
        "X-Idempotency-Key",
        "Idempotency_Key",
        "Idempotent-Key",
        "IdempotencyKey",
        "Idempotency",
        "Idem-Key",
    ):
        answer = client.post(TRANSCRIBE, json={"url": URL}, headers={misspelt: "one"})
        problem = check_problem(answer, 422, "invalid_request")
        assert problem["errors"][0]["message"] == "is not known: write Idempotency-Key"
    assert client.post(TRANSCRIBE, json={"url": URL}, headers={"X-Potential-Client": "one"}).status_code == 202
    assert client.get("/api/v1/models", **keyed("one")).status_code == 200
    assert UUID(client.post(TRANSCRIBE, json={"url": URL}, **keyed("one")).json()["job_id"]).version == 5
