"""Uploads in pieces (tus 1.0.0): what was acknowledged stays, whoever writes it and whatever breaks."""

import base64
import hashlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from producers.api.jobs.uploads.receiving import PART_BYTES
from schemas.events import JobRequested
from schemas.wire.serde import Serde
from sink.objects.s3 import S3ObjectStore
from tests.integration.rest import URL, check_problem, rows
from tests.integration.shim import RunningShim, serving
from tests.integration.waiting import wait_for

UPLOADS = "/api/v1/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
CONTENT = bytes(range(251)) * 80_000  # 20 MB: two parts and a piece of one


def begin(client: httpx.Client, size: int, **headers: str) -> str:
    answer = client.post(UPLOADS, headers={**TUS, "Upload-Length": str(size), **headers})
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def send(client: httpx.Client, path: str, offset: int, content: Any, **headers: Any) -> httpx.Response:
    head = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream", **headers}
    return client.patch(path, content=content, headers=head)


def offset_of(client: httpx.Client, path: str) -> int:
    answer = client.head(path, headers=TUS)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    return int(answer.headers["upload-offset"])


def id_in(path: str) -> str:
    return path.rpartition("/")[2]


def job_of(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    return client.post("/api/v1/transcribe", json={"upload_id": id_in(path), **fields})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_pieces_of_any_size_become_the_recording_of_a_job(
    shim: RunningShim, client: httpx.Client, object_store: S3ObjectStore
) -> None:
    """Across the bounds of parts, one byte too; nothing but the recording is left."""
    path = begin(client, len(CONTENT), **{"Upload-Metadata": f"filename {encoded('../calls/שיחה 17.opus')},x"})
    at = 0
    for size in (1, 3_000_000, PART_BYTES, 5_000_000, len(CONTENT)):
        answer = send(client, path, at, CONTENT[at : at + size])
        at = min(at + size, len(CONTENT))
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(at)), answer.text
        assert answer.headers["tus-resumable"] == "1.0.0"
        assert offset_of(client, path) == at
    job = job_of(client, path, language="he")
    assert (job.status_code, job.json()["name"]) == (202, "שיחה 17.opus"), job.text
    key = f"acme/uploads/{id_in(path)}"
    assert object_store.get(key) == CONTENT
    assert list(object_store.keys("")) == [key]
    ((value,),) = rows(shim, "SELECT value FROM outbox")
    source = Serde().decode(bytes(value), JobRequested).source
    assert (source.uri, source.size_bytes) == (f"upload://{id_in(path)}", len(CONTENT))


def test_another_process_goes_on_where_a_broken_connection_ended(database: str, object_store: S3ObjectStore) -> None:
    """No process keeps anything of an upload; bytes behind the last whole part are kept too."""

    def broken() -> Iterator[bytes]:
        for at in range(0, 12_000_000, 100_000):
            yield CONTENT[at : at + 100_000]
        raise ConnectionAbortedError

    with serving(database, object_store) as first, first.client() as client:
        path, key = begin(client, len(CONTENT)), first.key
        with pytest.raises(ConnectionAbortedError):
            send(client, path, 0, broken())
    with serving(database, object_store) as second, second.client(key) as client:
        at = offset_of(client, path)
        assert PART_BYTES <= at <= 12_000_000
        assert send(client, path, at, CONTENT[at:]).status_code == 204
        assert job_of(client, path).status_code == 202
    assert object_store.get(f"acme/uploads/{id_in(path)}") == CONTENT


def test_of_two_writers_the_later_one_goes_on(
    shim: RunningShim, client: httpx.Client, object_store: S3ObjectStore
) -> None:
    """A client comes again before its old connection is found to be dead; nothing of that one is added any more."""
    path = begin(client, len(CONTENT))
    with shim.client() as other, ThreadPoolExecutor(1) as pool:
        taken = False

        def slow() -> Iterator[bytes]:
            nonlocal taken
            yield b"x" * 1_000_000
            wait_for(lambda: taken)
            yield b"x" * (len(CONTENT) - 1_000_000)

        first = pool.submit(send, other, path, 0, slow())
        wait_for(lambda: rows(shim, "SELECT writer FROM uploads") == [(1,)])
        assert send(client, path, 0, CONTENT[:9_000_000]).status_code == 204
        taken = True
        check_problem(first.result(90), 409, "offset_conflict")
    assert send(client, path, 9_000_000, CONTENT[9_000_000:]).status_code == 204
    assert job_of(client, path).status_code == 202
    assert object_store.get(f"acme/uploads/{id_in(path)}") == CONTENT


def test_a_checksum_decides_a_whole_piece(client: httpx.Client, object_store: S3ObjectStore) -> None:
    """Also one of several parts: after a wrong one the upload is where it was."""
    path = begin(client, len(CONTENT))
    assert send(client, path, 0, CONTENT[:1000]).status_code == 204
    rest = CONTENT[1000:]
    for name in ("sha1", "sha256"):
        wrong = base64.b64encode(hashlib.new(name, b"other").digest()).decode()
        check_problem(
            send(client, path, 1000, rest, **{"Upload-Checksum": f"{name} {wrong}"}), 460, "checksum_mismatch"
        )
        assert offset_of(client, path) == 1000
    for unknown in ("md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha1 ???", "sha1 YQ==", "sha1", "sha1 \xe9"):
        check_problem(
            send(client, path, 1000, b"x", **{"Upload-Checksum": unknown.encode("latin-1")}), 400, "unknown_checksum"
        )
    right = base64.b64encode(hashlib.sha256(rest).digest()).decode()
    assert send(client, path, 1000, rest, **{"Upload-Checksum": f"sha256 {right}"}).status_code == 204
    assert job_of(client, path).status_code == 202
    assert object_store.get(f"acme/uploads/{id_in(path)}") == CONTENT


def test_bytes_that_do_not_fit_are_refused(client: httpx.Client) -> None:
    """Behind a gap, over what is there, beyond the end; what is right of them is kept."""
    path = begin(client, 1000)
    assert send(client, path, 0, b"x" * 400).status_code == 204
    for offset in (0, 399, 401, 1000):
        problem = check_problem(send(client, path, offset, b"y"), 409, "offset_conflict")
        assert "400 of 1000" in problem["detail"]
    check_problem(send(client, path, 400, b"y" * 601), 413, "media_too_large")
    assert offset_of(client, path) == 400
    assert send(client, path, 400, b"").status_code == 204
    check_problem(send(client, path, 400, iter([b"y" * 500, b"y" * 500])), 413, "media_too_large")
    assert offset_of(client, path) == 1000
    check_problem(job_of(client, begin(client, 5)), 409, "upload_incomplete")


def test_a_body_that_ends_before_its_length_counts_as_far_as_it_came(
    shim: RunningShim, client: httpx.Client, object_store: S3ObjectStore
) -> None:
    """What the server had not read when the connection ended is sent again."""
    content = CONTENT[:2_000_000]
    path = begin(client, len(content))
    head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {shim.key}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
    kind = f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", httpx.URL(shim.url).port or 0)) as connection:
        connection.sendall(f"{head}{kind}".encode() + content[:1_500_000])
    wait_for(lambda: offset_of(client, path) > 0)
    at = offset_of(client, path)
    assert at <= 1_500_000
    assert send(client, path, at, content[at:]).status_code == 204
    assert job_of(client, path).status_code == 202
    assert object_store.get(f"acme/uploads/{id_in(path)}") == content


def test_what_is_no_upload_of_the_tenant_is_not_found(shim: RunningShim, client: httpx.Client) -> None:
    path = begin(client, 4)
    with shim.client(shim.key_of("globex")) as other:
        for asking, where in ((other, path), (client, f"{UPLOADS}/{uuid4()}")):
            check_problem(asking.get(where, headers=TUS), 404, "not_found")
            assert "upload-offset" not in asking.head(where, headers=TUS).headers
            check_problem(send(asking, where, 0, b"RIFF"), 404, "not_found")
            check_problem(asking.delete(where, headers=TUS), 404, "not_found")
            check_problem(job_of(asking, where), 404, "not_found")
    for forged in ("x", "..%2f..%2fetc", f"{id_in(path)}.1"):
        assert client.get(f"{UPLOADS}/{forged}", headers=TUS).status_code in {404, 422}
    assert send(client, path, 0, b"RIFF").status_code == 204


def test_an_expired_upload_is_gone(shim: RunningShim, client: httpx.Client) -> None:
    path = begin(client, 8)
    assert send(client, path, 0, b"RIFF").headers["upload-expires"].endswith("GMT")
    rows(shim, "UPDATE uploads SET expires_at = now() RETURNING 1")
    check_problem(client.get(path, headers=TUS), 410, "upload_expired")
    check_problem(send(client, path, 4, b"RIFF"), 410, "upload_expired")
    check_problem(job_of(client, path), 410, "upload_expired")


def test_ending_an_upload_leaves_nothing_and_takes_nothing_from_a_job(
    shim: RunningShim, client: httpx.Client, object_store: S3ObjectStore
) -> None:
    ended, used = begin(client, len(CONTENT)), begin(client, 4)
    assert send(client, ended, 0, CONTENT[:9_000_000]).status_code == 204
    assert send(client, used, 0, b"RIFF").status_code == 204
    job = job_of(client, used, job_id=str(uuid4())).json()
    for path in (ended, used):
        assert client.delete(path, headers=TUS).status_code == 204
        check_problem(client.get(path, headers=TUS), 404, "not_found")
    assert list(object_store.keys("")) == [f"acme/uploads/{id_in(used)}"]
    # the job itself tells of the recording when its request is sent again
    assert job_of(client, used, job_id=job["job_id"]).json() == job
    check_problem(job_of(client, used), 404, "not_found")
    assert rows(shim, "SELECT count(*) FROM uploads") == [(0,)]


def test_an_upload_is_erased_with_its_job(shim: RunningShim, client: httpx.Client) -> None:
    """It has the name of the file, and would make another job of nothing."""
    path, other = begin(client, 4, **{"Upload-Metadata": f"filename {encoded('Anna.wav')}"}), begin(client, 4)
    assert send(client, path, 0, b"RIFF").status_code == 204
    job = job_of(client, path).json()
    assert client.delete(f"{job['links']['self']}?erase=true").status_code == 202
    check_problem(client.get(path, headers=TUS), 404, "not_found")
    assert offset_of(client, other) == 0


def test_repeated_requests_are_one_upload_and_one_job(shim: RunningShim, client: httpx.Client) -> None:
    """By the key of each; jobs also when they are asked for at once, while the object is being made."""
    key = {"Idempotency-Key": str(uuid4())}
    first, again = (begin(client, 4, **key) for _ in range(2))
    assert first == again
    other = client.post(UPLOADS, headers={**TUS, "Upload-Length": "5", **key})
    check_problem(other, 422, "idempotency_key_reused")
    assert send(client, first, 0, b"RIFF").status_code == 204
    body = {"upload_id": id_in(first)}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.post("/api/v1/transcribe", json=body, headers=key), range(8)))
    heard = [answer.text for answer in answers if answer.status_code == 202]
    assert {answer.status_code for answer in answers} <= {202, 503}
    assert len(set(heard)) == 1
    assert rows(shim, "SELECT count(*) FROM jobs") == [(1,)]
    check_problem(client.post("/api/v1/transcribe", json={"url": URL}, headers=key), 422, "idempotency_key_reused")


REFUSED = [
    ({}, 422, "invalid_request"),
    ({"Upload-Length": "-1"}, 422, "invalid_request"),
    ({"Upload-Length": "٤"}, 422, "invalid_request"),
    ({"Upload-Length": "0"}, 422, "media_empty"),
    ({"Upload-Length": "50000001"}, 413, "media_too_large"),
    ({"Upload-Length": "4", "Upload-Metadata": "filename ?"}, 422, "invalid_request"),
    ({"Upload-Length": "4", "Upload-Metadata": "a YQ==,a YQ=="}, 422, "invalid_request"),
    ({"Upload-Length": "4", "Upload-Metadata": "a " + "YQ==" * 1100}, 422, "invalid_request"),
    ({"Upload-Length": "4", "Tus-Resumable": "0.2.2"}, 412, "unsupported_version"),
    ({"Upload-Defer-Length": "1"}, 422, "invalid_request"),
]


@pytest.mark.parametrize(("headers", "status", "code"), REFUSED)
def test_a_new_upload_that_is_wrong_is_refused(
    shim: RunningShim, client: httpx.Client, headers: dict[str, str], status: int, code: str
) -> None:
    answer = client.post(UPLOADS, headers=httpx.Headers({**TUS, **headers}, encoding="utf-8"))
    check_problem(answer, status, code)
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert (code == "unsupported_version") == ("tus-version" in answer.headers)
    assert rows(shim, "SELECT count(*) FROM uploads") == [(0,)]


def test_what_is_known_of_the_protocol_is_told_without_a_key(shim: RunningShim) -> None:
    answer = httpx.options(f"{shim.url}{UPLOADS}", trust_env=False, timeout=60)
    assert answer.status_code == 204
    told = {name: answer.headers[name] for name in ("tus-resumable", "tus-version", "tus-extension", "tus-max-size")}
    assert told == {
        "tus-resumable": "1.0.0",
        "tus-version": "1.0.0",
        "tus-extension": "creation,expiration,checksum,termination",
        "tus-max-size": "50000000",
    }
    assert answer.headers["tus-checksum-algorithm"] == "sha1,sha256"


def test_a_method_may_stand_in_a_header(client: httpx.Client) -> None:
    """For clients that can send POST only; it is checked as the method that it is."""
    path = begin(client, 4)
    piece = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    sent = client.post(path, content=b"RIFF", headers={**piece, "X-HTTP-Method-Override": "PATCH"})
    assert (sent.status_code, offset_of(client, path)) == (204, 4)
    ended = client.post(path, headers={**TUS, "X-HTTP-Method-Override": "DELETE"})
    assert ended.status_code == 204
    check_problem(client.post(path, headers={**TUS, "X-HTTP-Method-Override": "TRACE"}), 405, "method_not_allowed")


def test_a_tenant_has_only_so_many_unfinished_uploads(database: str, object_store: S3ObjectStore) -> None:
    with serving(database, object_store, upload_max_unfinished=2) as shim, shim.client() as client:
        first, _ = begin(client, 4), begin(client, 4)
        refused = client.post(UPLOADS, headers={**TUS, "Upload-Length": "4"})
        check_problem(refused, 429, "too_many_uploads")
        with shim.client(shim.key_of("globex")) as other:
            begin(other, 4)
        assert send(client, first, 0, b"RIFF").status_code == 204
        assert job_of(client, first).status_code == 202
        begin(client, 4)


def test_a_body_names_one_recording(client: httpx.Client) -> None:
    for body in ({}, {"url": URL, "upload_id": str(uuid4())}):
        problem = check_problem(client.post("/api/v1/transcribe", json=body), 422, "invalid_request")
        assert [item["field"] for item in problem["errors"]] == ["url"]
    check_problem(client.post("/api/v1/transcribe", json={"upload_id": "x"}), 422, "invalid_request")
