"""Whatever strangers send ends as a clear typed error, and the next job is served."""

import io
import struct
import time
import wave
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from schemas.events import JobRequested, JobResult, Options, Outcome, Source, TenantPolicy
from schemas.topics import JOBS, TENANTS, TRANSCRIBERS, dlq_topic
from schemas.wire.records import Record
from tests.system.client import SERDE, Client
from tests.system.media_server import MediaServer


def tone(seconds: float) -> bytes:
    """A WAV file of a quiet square wave, 16 kHz mono."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "NONE"))
        samples = (1000 if (i // 40) % 2 else -1000 for i in range(int(seconds * 16_000)))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return out.getvalue()


@pytest.fixture(scope="module")
def media(short_call: Path) -> Iterator[MediaServer]:
    """Everything that is no good recording, and one that is."""
    files = {
        "good.wav": short_call.read_bytes(),
        "empty.wav": b"",
        "short.wav": tone(0.1),
        "truncated.wav": tone(3)[: 16_000 * 2],
        "noise.mp3": bytes(range(256)) * 200,
        "silent-video.mp4": silent_video(),
        "large.wav": bytes(7_000_000),
    }
    with MediaServer(files) as server:
        yield server


def silent_video() -> bytes:
    """A short MP4 with a picture track and no sound."""
    import av  # the tests may open media; the service only in one module

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_request"),
        ({"url": "https://a.example/x", "colour": "red"}, 422, "invalid_request"),
        ({"url": "https://a.example/x", "model": "gpt"}, 422, "unknown_model"),
        ({"url": "https://a.example/x", "engine": "kaldi"}, 422, "unknown_engine"),
        ({"url": "https://a.example/x", "language": "xx"}, 422, "unknown_language"),
        ({"url": "https://a.example/x", "min_speakers": 5, "max_speakers": 2}, 422, "invalid_request"),
        ({"url": "ftp://a.example/x"}, 422, "source_refused"),
        ({"url": "http://169.254.169.254/latest"}, 422, "source_refused"),
        ({"url": "https://user:password@a.example/x"}, 422, "source_refused"),
        ({"url": "file:///etc/passwd"}, 422, "source_refused"),
        ({"url": "https://a.example/x", "webhook_url": "http://10.0.0.1/x"}, 422, "invalid_request"),
    ],
)
def test_refused_at_the_door(client: Client, body: dict[str, object], status: int, code: str) -> None:
    """A problem document with the code, what was wrong and what to do."""
    answer = client.submit(**body)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize("key", [None, "", "sr_live_nonsense", "sr_live_aaaaaaaa_bbbbbbbbbbbbbbbb"])
def test_no_key_no_service(client: Client, key: str | None) -> None:
    """Missing and wrong keys look the same."""
    headers = {"X-API-Key": key} if key is not None else {"X-API-Key": ""}
    answer = client.http.get(f"/api/v1/jobs/{uuid4()}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("nothing.wav", "source_not_found"),
        ("page.html", "not_media"),
        ("empty.wav", "media_empty"),
        ("short.wav", "media_too_short"),
        ("truncated.wav", "media_truncated"),
        ("noise.mp3", "not_media"),
        ("silent-video.mp4", "media_no_audio"),
        ("redirect", "source_refused"),
        ("large.wav", "media_too_large"),
    ],
)
def test_bad_recordings_fail_with_a_reason(client: Client, media: MediaServer, name: str, code: str) -> None:
    """The job fails, its error says why, and exactly one result is visible."""
    job = UUID(client.submit(url=media.url(name)).json()["job_id"])
    ended = client.wait(job)
    assert (ended["state"], ended["error"]["code"]) == ("failed", code), ended
    assert [result.outcome for result in client.results(job)] == [Outcome.FAILED]


def test_an_upload_larger_than_the_limit_is_refused(client: Client) -> None:
    """At the door, with the limit in the message."""
    answer = client.http.post("/api/v1/transcribe/upload", files={"file": ("x.wav", bytes(7_000_000))})
    assert (answer.status_code, answer.json()["code"]) == (413, "media_too_large"), answer.text


def test_an_unreachable_address_fails_with_a_reason(client: Client) -> None:
    """A closed port is no recording."""
    job = UUID(client.submit(url="http://127.0.0.1:9/x.wav").json()["job_id"])
    assert client.wait(job)["error"]["code"] == "source_unreachable"


def request(url: str, options: Options = Options()) -> JobRequested:  # noqa: B008 - a frozen value
    """A job as an upstream system publishes it."""
    return JobRequested(
        job_id=uuid4(), tenant="demo", source=Source(uri=url), options=options, requested_at=datetime.now(UTC)
    )


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (request("https://a.example/x", Options(model="gpt")), "unknown_model"),
        (request("https://a.example/x", Options(language="xx")), "unknown_language"),
        (request("https://a.example/x", Options(min_speakers=0)), "invalid_request"),
        (request("file:///etc/passwd"), "source_refused"),
        (request("s3://another-bucket/x"), "source_refused"),
        (request("upload://../../other"), "source_refused"),
        (replace(request("https://a.example/x"), expires_at=datetime(2020, 1, 1, tzinfo=UTC)), "expired"),
        (replace(request("https://a.example/x"), tenant="../other"), "invalid_request"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_events_fail_with_a_reason(client: Client, job: JobRequested, code: str) -> None:
    """An event that skipped the door meets the same rules."""
    client.publish(job)
    ended = wait_for_result(client, job.job_id)
    assert (ended.outcome, ended.error and ended.error.code) == (Outcome.FAILED, code)


def test_a_policy_is_kept_by_jobs_that_skipped_the_door(client: Client) -> None:
    """Nobody listens at the address: until the policy is known there, the transcriber says that."""
    policy = TenantPolicy(tenant="demo-guarded", allowed_hosts=("media.example",), at=datetime.now(UTC))
    client.send(Record(TENANTS, b"demo-guarded", SERDE.encode(policy)))
    codes = {"source_unreachable"}
    deadline = time.monotonic() + 60
    while "source_refused" not in codes and time.monotonic() < deadline:
        job = replace(request("http://127.0.0.1:9/x.wav"), tenant="demo-guarded")
        client.publish(job)
        error = wait_for_result(client, job.job_id).error
        codes.add(error.code if error else "none")
    assert codes == {"source_unreachable", "source_refused"}


def wait_for_result(client: Client, job_id: UUID) -> JobResult:
    """The visible result of a job, read from the topic."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := client.results(job_id):
            return found[0]
        time.sleep(0.2)
    raise AssertionError(f"no result of {job_id}")


@pytest.mark.parametrize(
    "value",
    [b"not avro at all", b"\x00\x00\x00\x27\x0f" + b"x" * 20, SERDE.encode(request("https://a.example/x"))[:-3]],
    ids=["junk", "unknown schema id", "cut off"],
)
def test_the_undecodable_is_kept_and_the_next_job_is_served(client: Client, media: MediaServer, value: bytes) -> None:
    """Its original bytes lie in the dead-letter topic, with the reason; the job behind it completes."""
    key = str(uuid4()).encode()
    client.send(Record(JOBS, key, value))
    behind = replace(request(media.url("good.wav")), job_id=UUID(key.decode()))  # the same partition
    client.publish(behind)
    assert client.wait(behind.job_id)["state"] == "completed"
    letters = [letter for letter in client.records(dlq_topic(TRANSCRIBERS)) if letter.key == key]
    assert [letter.value for letter in letters] == [value]
    assert letters[0].headers["scribe-error-kind"] == "poison"
    assert letters[0].headers["__dlq.errors.topic"] == JOBS
