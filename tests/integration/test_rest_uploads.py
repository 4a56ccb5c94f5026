"""Uploads over REST: streamed to the store byte for byte, or refused without a trace."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from producers.api.http.concurrency_limiter import TenantConcurrencyLimiter
from producers.api.jobs import operations
from producers.jobs.submit import accept
from schemas.errors import Outage
from schemas.events import JobRequested, TenantPolicy
from schemas.wire.serde import Serde
from sink.objects.s3 import S3ObjectStore
from sink.tenants.policies import apply_policy
from tests.integration.hostile import SlowClient
from tests.integration.rest import URL, check_problem, rows
from tests.integration.shim import RunningShim, in_transaction, serving
from tests.integration.waiting import wait_for


def upload(client: httpx.Client, content: bytes, **fields: str) -> httpx.Response:
    return client.post("/api/v1/transcribe/upload", files={"file": ("call.opus", content)}, data=fields)


def test_an_upload_lies_in_the_store_byte_for_byte(
    shim: RunningShim, client: httpx.Client, object_store: S3ObjectStore
) -> None:
    """20 MB: more than one part of the store's multipart upload."""
    content = bytes(range(256)) * 80_000
    answer = upload(client, content, language="he", num_speakers="2", metadata='{"a": "b"}', prompt="")
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["options"]["num_speakers"], job["metadata"], job["options"]["prompt"]) == (2, {"a": "b"}, None)
    upload_id = job["source"].removeprefix("upload://")
    assert object_store.get(f"acme/uploads/{upload_id}") == content
    ((value,),) = rows(shim, "SELECT value FROM outbox")
    assert Serde().decode(bytes(value), JobRequested).source.size_bytes == len(content)


def test_fields_may_come_after_the_file(client: httpx.Client) -> None:
    files: list[tuple[str, Any]] = [
        ("file", ("a.wav", b"RIFF")),
        ("language", (None, "he")),
        ("diarize", (None, "false")),
    ]
    answer = client.post("/api/v1/transcribe/upload", files=files)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["options"]["language"], answer.json()["options"]["diarize"]) == ("he", False)


REFUSED_UPLOADS: list[tuple[bytes, dict[str, str], str]] = [
    (b"", {}, "media_empty"),
    (b"x" * 3_000_001, {}, "media_too_large"),
    (b"RIFF", {"langage": "he"}, "invalid_request"),
    (b"RIFF", {"metadata": "{"}, "invalid_request"),
    (b"RIFF", {"url": URL}, "invalid_request"),
    (b"RIFF", {"model": "gpt"}, "unknown_model"),
    (b"RIFF", {"webhook_url": "https://127.0.0.1/x"}, "invalid_request"),
]


def test_a_refused_upload_leaves_nothing(database: str, object_store: S3ObjectStore) -> None:
    with serving(database, object_store, upload_max_bytes=3_000_000) as shim, shim.client() as client:
        for content, fields, code in REFUSED_UPLOADS:
            answer = upload(client, content, **fields)
            check_problem(answer, answer.status_code, code)
        assert rows(shim, "SELECT count(*) FROM jobs") == [(0,)]
        assert list(object_store.keys("")) == []


def test_the_same_upload_again_under_its_job_id(
    shim: RunningShim, client: httpx.Client, object_store: S3ObjectStore
) -> None:
    """The content decides; the second copy is not kept."""
    job_id = str(uuid4())
    first, again = (upload(client, b"RIFF", job_id=job_id) for _ in range(2))
    assert (first.status_code, again.json()) == (202, first.json())
    check_problem(upload(client, b"other", job_id=job_id), 409, "conflict")
    assert len(list(object_store.keys("acme/uploads/"))) == 1


def test_an_upload_stays_when_nobody_knows_whether_its_job_does(
    client: httpx.Client, object_store: S3ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is lost in the moment of the commit: the job may be there, and then needs its recording."""

    async def lost(*arguments: Any) -> Any:
        await accept(*arguments)
        raise Outage("the connection is lost")

    headers = {"Idempotency-Key": "a"}
    with monkeypatch.context() as patch:
        patch.setattr(operations, "accept", lost)
        unheard = client.post("/api/v1/transcribe/upload", files={"file": b"RIFF"}, headers=headers)
        check_problem(unheard, 503, "unavailable")
    job = client.post("/api/v1/transcribe/upload", files={"file": b"RIFF"}, headers=headers).json()
    assert object_store.get(f"acme/uploads/{job['source'].removeprefix('upload://')}") == b"RIFF"
    assert len(list(object_store.keys("acme/uploads/"))) == 1


def test_the_name_of_the_file_is_kept_and_decides_nothing(
    shim: RunningShim, client: httpx.Client, object_store: S3ObjectStore
) -> None:
    """Shown wherever the job is; another name for the same recording is the same request."""
    job_id = str(uuid4())
    names = ["../../C:\\calls\\שיחה\u202e 17.opus", "other.opus"]
    answers = [named_upload(client, name, job_id) for name in names]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [answer.json()["name"] for answer in answers] == ["שיחה 17.opus"] * 2
    assert client.get(f"/api/v1/jobs/{job_id}").json()["name"] == "שיחה 17.opus"
    ((value,),) = rows(shim, "SELECT value FROM outbox")
    source = Serde().decode(bytes(value), JobRequested).source
    assert source.name == "שיחה 17.opus"
    assert list(object_store.keys("")) == [f"acme/uploads/{source.uri.removeprefix('upload://')}"]


def named_upload(client: httpx.Client, name: str, job_id: str) -> httpx.Response:
    """As browsers send it: the name in UTF-8, whatever it is."""
    quoted = name.replace("\\", "\\\\")
    body = (
        f'--b\r\nContent-Disposition: form-data; name="job_id"\r\n\r\n{job_id}\r\n'
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\nRIFF\r\n--b--\r\n'
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    return client.post("/api/v1/transcribe/upload", content=body.encode(), headers=headers)


def test_a_file_may_be_named_by_the_extended_form_alone(client: httpx.Client) -> None:
    part = "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%D7%A9.wav"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    body = f"--b\r\n{part}\r\n\r\nRIFF\r\n--b--\r\n".encode()
    answer = client.post("/api/v1/transcribe/upload", content=body, headers=headers)
    assert (answer.status_code, answer.json().get("name")) == (202, "ש.wav"), answer.text


def test_a_client_that_hangs_up_leaves_nothing(
    shim: RunningShim, client: httpx.Client, object_store: S3ObjectStore
) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    left = threading.Event()

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(150):
            yield b"x" * 65_536
        left.set()
        raise ConnectionAbortedError

    headers = {"content-type": "multipart/form-data; boundary=b"}
    with pytest.raises(ConnectionAbortedError):
        client.post("/api/v1/transcribe/upload", content=body(), headers=headers)
    assert left.is_set()
    # the shim serves on, and what it says of the next job shows that it is done with this one
    assert upload(client, b"RIFF").status_code == 202
    keys = list(object_store.keys(""))
    assert len(keys) == 1
    assert object_store.get(keys[0]) == b"RIFF"


def test_slow_uploads_of_one_tenant_hold_up_nobody_else(database: str, object_store: S3ObjectStore) -> None:
    """The tenant itself is told that its places are taken."""
    limiter = TenantConcurrencyLimiter(places=2, per_tenant=1, seconds=0.5)
    with serving(database, object_store, uploads=limiter) as shim, shim.client(shim.key_of("globex")) as other:
        head = (
            f"POST /api/v1/transcribe/upload HTTP/1.1\r\nHost: x\r\nX-API-Key: {shim.key}\r\nContent-Length: 900000\r\n"
        )
        part = 'Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"'
        slow = SlowClient(f'{head}{part}; filename="a"\r\n\r\nRIFF'.encode())
        with slow.call(httpx.URL(shim.url).port or 0), shim.client() as own:
            wait_for(
                lambda: (refused := upload(own, b"RIFF")).status_code == 503 and bool(refused.headers["retry-after"])
            )
            assert upload(other, b"RIFF").status_code == 202
            check_problem(upload(own, b"RIFF"), 503, "busy")


def test_a_file_for_which_there_is_no_room_is_refused_before_it_is_read(
    shim: RunningShim, object_store: S3ObjectStore
) -> None:
    """The answer comes while the file does not; a job that is there already is answered, by what stands before the file."""

    def refused(head: bytes) -> bool:
        with socket.create_connection(("127.0.0.1", httpx.URL(shim.url).port or 0), timeout=90) as connection:
            connection.sendall(head)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return b"quota_exceeded" in answer and b"429" in answer

    with shim.client() as client:
        job = upload(client, b"RIFF", job_id=str(uuid4())).json()
        policy = TenantPolicy(tenant="acme", quotas={"queued": 1}, at=datetime.now(UTC))
        in_transaction(shim.dsn, lambda connection: apply_policy(connection, policy))
        kind = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000\r\n\r\n"
        head = f"POST /api/v1/transcribe/upload HTTP/1.1\r\nHost: x\r\nX-API-Key: {shim.key}\r\n{kind}"
        part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF'
        assert refused(f"{head}{part}".encode())
        assert upload(client, b"RIFF", job_id=job["job_id"]).json() == job
        check_problem(client.post("/api/v1/uploads", headers={"Upload-Length": "4"}), 429, "quota_exceeded")
    assert len(list(object_store.keys(""))) == 1


def test_uploads_that_are_no_forms(client: httpx.Client) -> None:
    path = "/api/v1/transcribe/upload"
    check_problem(client.post(path, json={"url": URL}), 415, "unsupported_media_type")
    truncated = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    check_problem(client.post(path, content=truncated, headers=headers), 422, "media_truncated")
    check_problem(client.post(path, content=b"--b--\r\n", headers=headers), 422, "invalid_request")
