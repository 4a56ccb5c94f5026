"""One recording through REST and one through Kafka: transcript with speakers, rows, objects, a signed webhook."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from deploy.local.receiver import Receiver
from deploy.local.service import pss
from deploy.local.stack import Stack
from schemas.events import JobRequested, Options, Outcome, Source
from schemas.wire.serde import to_json, transcript_from_json
from tests.heldout import held_out
from tests.recordings import HEBREW, MONO, STEREO, Recording
from tests.scoring import word_error_rate
from tests.system.client import Client
from tests.system.media_server import MediaServer
from tests.system.sound import write_wav

MEMORY_BYTES = 4_000_000_000


def test_a_recording_through_rest(client: Client, receiver: Receiver) -> None:
    """Submitted with the key of a tenant, followed to its signed webhook, read in every format."""
    job_id = client.upload(MONO.path, webhook_url=receiver.url, recording_id="call-1", language="en")
    job = client.wait(job_id)
    assert job["state"] == "completed", job
    assert job["recording_id"] == "call-1"
    check_transcript(client, job_id, MONO)
    assert "-->" in client.transcript(job_id, "srt").text
    assert client.transcript(job_id, "vtt").text.startswith("WEBVTT")
    assert "SPEAKER_01" in client.transcript(job_id, "txt").text

    assert receiver.wait(lambda calls: bool(calls), 90)
    payload = receiver.calls[0].verified(client.service.webhook_secret("demo", receiver.url))
    assert payload["type"] == "job.completed"
    assert payload["data"]["job_id"] == str(job_id)  # type: ignore[index]


def test_a_recording_through_kafka(client: Client) -> None:
    """Published as an Avro event by a system that knows nothing of REST; the result is read from the topic."""
    with MediaServer({"call.mp3": STEREO.path.read_bytes()}) as server:
        request = JobRequested(
            job_id=uuid4(),
            tenant="demo",
            source=Source(uri=server.url("call.mp3?signature=secret")),
            options=Options(language="en"),
            requested_at=datetime.now(UTC),
        )
        client.publish(request)
        assert client.wait(request.job_id)["state"] == "completed"
    (result,) = client.results(request.job_id)
    assert result.outcome is Outcome.COMPLETED
    assert result.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert "secret" not in json.dumps(to_json(result))
    check_transcript(client, request.job_id, STEREO)


def test_a_hebrew_recording(client: Client) -> None:
    """Right-to-left text arrives as it was said."""
    job_id = client.upload(HEBREW.path, language="he")
    assert client.wait(job_id)["result"]["language"] == "he"
    check_transcript(client, job_id, HEBREW)


def test_a_long_transcript_travels_by_claim_check(client: Client, tmp_path: Path) -> None:
    """Too large for its record: the event names the object, and every reader finds the transcript there."""
    spoken = held_out()[0].conversation
    job_id = client.upload(write_wav(spoken.mono, tmp_path / "long.wav"), language="en")
    assert client.wait(job_id)["state"] == "completed"
    (result,) = client.results(job_id)
    assert result.transcript is None
    assert result.claim_check is not None
    assert result.claim_check.uri.startswith("s3://")
    transcript = transcript_from_json(client.transcript(job_id).json())
    assert word_error_rate(" ".join(u.text for u in spoken.utterances), transcript.text) <= 0.15


def test_the_same_event_twice_is_one_job(client: Client, short_call: Path) -> None:
    """Producers may send again whatever they are not sure of."""
    with MediaServer({"a.wav": short_call.read_bytes()}) as server:
        request = JobRequested(
            job_id=uuid4(), tenant="demo", source=Source(uri=server.url("a.wav")), requested_at=datetime.now(UTC)
        )
        client.publish(request)
        client.publish(request)
        first = client.wait(request.job_id)
        time.sleep(3)  # the second may still be under way; nothing about it is visible to wait for
    assert client.wait(request.job_id) == first
    assert len({result.event_id for result in client.results(request.job_id)}) == 1
    assert client.query("SELECT count(*) FROM applied_events WHERE job_id = %s", request.job_id)


def test_all_processes_together_are_small(client: Client, system_stack: Stack) -> None:
    """The sum of PSS over every process of service and stack, after work."""
    parts = {name: pss(part.identity) for name, part in system_stack.components.items()}
    used = {**client.service.memory_bytes(), **parts}
    assert all(used.values()), used
    assert sum(used.values()) < MEMORY_BYTES, used


def check_transcript(client: Client, job_id: UUID, recording: Recording) -> None:
    """REST, the database and the object store hold the same good transcript with speakers and word times."""
    transcript = transcript_from_json(client.transcript(job_id).json())
    assert word_error_rate(recording.text, transcript.text) <= 0.15
    assert len(transcript.speakers) == 2
    words = [word for segment in transcript.segments for word in segment.words]
    assert words
    assert all(0 <= word.start <= word.end <= transcript.duration for word in words)
    rows = client.query(
        "SELECT text, speaker, jsonb_array_length(words) FROM segments WHERE job_id = %s ORDER BY position", job_id
    )
    assert rows == [(s.text, s.speaker, len(s.words)) for s in transcript.segments]
