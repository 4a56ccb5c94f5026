"""The recording of a job, part by part: ranges, types, whose it is, and what is not kept."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from producers.api.http.concurrency_limiter import TenantConcurrencyLimiter
from producers.api.jobs.results.audio import PART_BYTES
from sink.objects.s3 import S3ObjectStore
from tests.integration.rest import URL, check_problem, rows
from tests.integration.shim import RunningShim, serving

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 40


@pytest.fixture
def shim(database: str, object_store: S3ObjectStore) -> Iterator[RunningShim]:
    with serving(database, object_store) as running:
        yield running


def upload(client: httpx.Client, body: bytes, name: str = "call.wav") -> str:
    """Submit a file; returns the address of its recording."""
    job: dict[str, Any] = client.post("/api/v1/transcribe/upload", files={"file": (name, body)}).json()
    assert job["links"]["audio"] == f"/api/v1/jobs/{job['job_id']}/audio"
    return str(job["links"]["audio"])


def part(client: httpx.Client, path: str, wanted: str, **headers: str) -> httpx.Response:
    return client.get(
        path, headers={"Range": wanted, **{name.replace("_", "-"): text for name, text in headers.items()}}
    )


def test_the_whole_recording_and_each_part_of_it(client: httpx.Client) -> None:
    path, size = upload(client, WAV, "the call.wav"), len(WAV)
    whole = client.get(path)
    assert (whole.status_code, whole.content) == (200, WAV)
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-disposition"] == 'attachment; filename="the call.wav"'
    assert whole.headers["etag"] == f'"{hashlib.sha256(WAV).hexdigest()}"'
    assert (whole.headers["cache-control"], whole.headers["accept-ranges"]) == ("private, no-store", "bytes")
    for wanted, first, last in (
        ("bytes=0-", 0, size - 1),
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=100-999999999", 100, size - 1),
        ("bytes=-5", size - 5, size - 1),
        ("bytes=-999999999", 0, size - 1),
        ("BYTES=3-4", 3, 4),
    ):
        found = part(client, path, wanted)
        assert (found.status_code, found.content) == (206, WAV[first : last + 1]), wanted
        assert found.headers["content-range"] == f"bytes {first}-{last}/{size}"
    head = client.head(path, headers={"Range": "bytes=5-9"})
    assert (head.status_code, head.content, head.headers["content-length"]) == (206, b"", "5")


def test_what_is_no_single_range_of_this_recording_is_ignored(client: httpx.Client) -> None:
    """As the standard lets a server do: then the whole comes."""
    path = upload(client, WAV)
    etag = client.get(path).headers["etag"]
    for wanted in ("bytes=9-5", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=-", "bytes", "bytes=1-2-3", "é"):
        answer = client.get(path, headers=httpx.Headers({"Range": wanted}, encoding="latin-1"))
        assert (answer.status_code, answer.content) == (200, WAV), wanted
    assert part(client, path, "bytes=0-3", If_Range=etag).status_code == 206
    for other in ('"other"', f"W/{etag}", "Mon, 30 Nov 2026 12:00:00 GMT"):
        assert part(client, path, "bytes=0-3", If_Range=other).status_code == 200
    assert client.get(path, headers={"If-None-Match": f'"x", {etag}'}).status_code == 304


def test_a_part_behind_the_end_is_refused_with_the_size(client: httpx.Client) -> None:
    path = upload(client, WAV)
    for wanted in (f"bytes={len(WAV)}-", "bytes=99999999-", "bytes=-0"):
        answer = part(client, path, wanted)
        check_problem(answer, 416, "range_not_satisfiable")
        assert answer.headers["content-range"] == f"bytes */{len(WAV)}"


def test_the_type_is_what_the_file_is_and_never_what_its_name_says(client: httpx.Client) -> None:
    for head, kind, ending in (
        (b"OggS\0\2", "audio/ogg", "ogg"),
        (b"fLaC", "audio/flac", "flac"),
        (b"ID3\4", "audio/mpeg", "mp3"),
        (b"\xff\xfb\x90", "audio/mpeg", "mp3"),
        (b"\xff\xf1\x50", "audio/aac", "aac"),
        (b"\0\0\0\x1cftypM4A ", "audio/mp4", "m4a"),
        (b"\0\0\0\x1cftypisom", "video/mp4", "mp4"),
        (b"\x1a\x45\xdf\xa3", "video/webm", "webm"),
        (b"<html><script>alert(1)</script>", "application/octet-stream", "bin"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream", "bin"),
    ):
        answer = client.get(upload(client, head + bytes(99), 'x"; \r\n.html'))
        assert answer.headers["content-type"] == kind
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert f'.{ending}"' in answer.headers["content-disposition"]
    kept = client.get(upload(client, b"OggS" + bytes(99), "call.OPUS"))
    assert kept.headers["content-disposition"] == 'attachment; filename="call.opus"'


def test_a_range_without_an_end_is_answered_with_its_beginning(client: httpx.Client) -> None:
    """A player that was paused holds no connection to the store; the whole is sent to whoever asks for it."""
    body = WAV + bytes(PART_BYTES + 1000)
    path = upload(client, body)
    first = part(client, path, "bytes=0-")
    assert first.headers["content-range"] == f"bytes 0-{PART_BYTES - 1}/{len(body)}"
    assert first.content == body[:PART_BYTES]
    assert part(client, path, f"bytes={PART_BYTES}-").content == body[PART_BYTES:]
    assert part(client, path, f"bytes=0-{len(body) - 1}").content == body == client.get(path).content


def test_a_recording_is_its_tenants_only(shim: RunningShim, client: httpx.Client) -> None:
    path = upload(client, WAV)
    with shim.client(shim.key_of("other")) as other:
        check_problem(other.get(path), 404, "not_found")
    check_problem(httpx.get(f"{shim.url}{path}", trust_env=False, timeout=90), 401, "unauthorized")


def test_what_is_not_kept_is_said(shim: RunningShim, client: httpx.Client, object_store: S3ObjectStore) -> None:
    linked = client.post("/api/v1/transcribe", json={"url": URL}).json()
    assert "audio" not in linked["links"]
    answer = client.get(f"{linked['links']['self']}/audio")
    assert "address of its own" in check_problem(answer, 404, "not_found")["detail"]
    path = upload(client, WAV)
    for key in list(object_store.keys("")):
        object_store.delete(key)
    assert "deleted" in check_problem(client.get(path), 404, "not_found")["detail"]
    check_problem(
        client.get(path.replace(path.split("/")[4], "0b7e1d0a-6b1f-4d0e-9a53-2f6f2c8f4a11")), 404, "not_found"
    )
    assert rows(shim, "SELECT count(*) FROM jobs") == [(2,)]


def test_listeners_who_leave_in_the_middle_hold_no_place(client: httpx.Client) -> None:
    """More of them than there are places, each of which would be held until the end of the recording."""
    body = WAV + bytes(30_000_000)
    path = upload(client, body)

    def leave() -> None:
        with client.stream("GET", path) as answer:
            next(answer.iter_raw())

    threads = [threading.Thread(target=leave) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert part(client, path, "bytes=0-9").content == body[:10]


def test_listeners_who_do_not_read_keep_nobody_else_waiting(database: str, object_store: S3ObjectStore) -> None:
    """A place is held while a piece is read from the store, and not while it is sent."""
    one = TenantConcurrencyLimiter(places=1, per_tenant=1, seconds=2.0)
    with ExitStack() as opened:
        shim = opened.enter_context(serving(database, object_store, listeners=one))
        client = opened.enter_context(shim.client())
        path = upload(client, WAV + bytes(PART_BYTES))
        for _ in range(3):
            slow = opened.enter_context(shim.client())
            opened.enter_context(slow.stream("GET", path))
        assert part(client, path, "bytes=10-19").content == WAV[10:20]
