"""Presigned uploads: straight to the object store, of the announced size and once; a job is made of them later."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sink.objects.s3 import S3ObjectStore
from tests.integration.rest import check_problem, rows
from tests.integration.shim import RunningShim, serving

PATH = "/api/v1/presigned-uploads"
CONTENT = b"RIFF" * 1000


@pytest.fixture
def shim(database: str, object_store: S3ObjectStore) -> Iterator[RunningShim]:
    with serving(database, object_store, public_store=object_store) as running:
        yield running


def presigned(client: httpx.Client, size: int = len(CONTENT), **fields: Any) -> dict[str, Any]:
    answer = client.post(PATH, json={"size_bytes": size, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def put(signed: dict[str, Any], content: bytes = CONTENT) -> int:
    return httpx.put(signed["url"], content=content, headers=signed["headers"], trust_env=False, timeout=60).status_code


def job_of(client: httpx.Client, signed: dict[str, Any], **fields: Any) -> httpx.Response:
    return client.post("/api/v1/transcribe", json={"upload_id": signed["upload"]["upload_id"], **fields})


def test_a_file_goes_to_the_store_and_becomes_a_job(client: httpx.Client, object_store: S3ObjectStore) -> None:
    """It is written once: whoever has the address cannot put another one in its place."""
    signed = presigned(client, name="../../call.opus")
    check_problem(job_of(client, signed), 409, "upload_incomplete")
    assert (signed["method"], put(signed)) == ("PUT", 200)
    assert put(signed, b"xxxx" * 1000) == 412
    job = job_of(client, signed)
    assert (job.status_code, job.json()["name"]) == (202, "call.opus"), job.text
    key = f"acme/uploads/{signed['upload']['upload_id']}"
    assert (object_store.get(key), list(object_store.keys(""))) == (CONTENT, [key])


def test_no_other_size_is_taken(client: httpx.Client, object_store: S3ObjectStore) -> None:
    """By a store that checks what was signed; and where one does not, by us."""
    signed = presigned(client)
    assert put(signed, CONTENT + b"x") == 403
    object_store.put(f"acme/uploads/{signed['upload']['upload_id']}", CONTENT + b"x", content_type="audio/wav")
    check_problem(job_of(client, signed), 409, "upload_incomplete")


def test_an_upload_of_another_tenant_is_not_found(shim: RunningShim, client: httpx.Client) -> None:
    """Nor is it one that comes in pieces."""
    signed = presigned(client)
    path = signed["upload"]["links"]["self"]
    assert put(signed) == 200
    with shim.client(shim.key_of("globex")) as other:
        check_problem(job_of(other, signed), 404, "not_found")
        check_problem(other.delete(path), 404, "not_found")
    piece = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    check_problem(client.patch(path, content=b"x", headers=piece), 404, "not_found")
    assert client.get(path).json() == signed["upload"]
    assert client.delete(path).status_code == 204
    check_problem(job_of(client, signed), 404, "not_found")


def test_the_same_key_is_the_same_upload(shim: RunningShim, client: httpx.Client) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first, again = (client.post(PATH, json={"size_bytes": 4}, headers=key).json() for _ in range(2))
    assert first["upload"] == again["upload"]
    check_problem(client.post(PATH, json={"size_bytes": 5}, headers=key), 422, "idempotency_key_reused")
    assert rows(shim, "SELECT count(*) FROM uploads") == [(1,)]


def test_sizes_that_cannot_be(client: httpx.Client) -> None:
    for size in (0, -1, "4", 10**15):
        check_problem(client.post(PATH, json={"size_bytes": size}), 422, "invalid_request")
    check_problem(client.post(PATH, json={"size_bytes": 50_000_001}), 413, "media_too_large")


def test_where_clients_do_not_reach_the_store_there_are_none(database: str, object_store: S3ObjectStore) -> None:
    with serving(database, object_store) as shim, shim.client() as client:
        problem = check_problem(client.post(PATH, json={"size_bytes": 4}), 422, "not_offered")
        assert "SCRIBE_S3_PUBLIC_ENDPOINT" in problem["detail"]
