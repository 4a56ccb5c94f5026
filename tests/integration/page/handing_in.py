"""Jobs for the page to show: submitted over REST, and ended as the persist app ends them."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas.events import JobRequested, Source
from schemas.transcript import Segment, Transcript, Word
from tests.integration.page.visits import elsewhere
from tests.integration.rest import rows
from tests.integration.shim import RunningShim
from tests.samples import TRANSCRIPT

URL = "https://media.example/call.opus"


def submitted(shim: RunningShim, key: str, **body: Any) -> JobRequested:
    """A job for a recording at an address."""
    with shim.client(key) as client:
        return request_of(client.post("/api/v1/transcribe", json={"url": URL, **body}).json(), shim, key)


def uploaded(shim: RunningShim, key: str, body: bytes, name: str) -> JobRequested:
    """A job for an upload."""
    with shim.client(key) as client:
        answer = client.post("/api/v1/transcribe/upload", files={"file": (name, body)})
        return request_of(answer.json(), shim, key)


def request_of(job: dict[str, Any], shim: RunningShim, key: str) -> JobRequested:
    """The event of a job."""
    tenant = _tenant_of(shim, key)
    return JobRequested(
        job_id=UUID(job["job_id"]),
        tenant=tenant,
        source=Source(uri=job["source"], name=job["name"]),
        requested_at=datetime.fromisoformat(job["requested_at"]),
    )


def completed(shim: RunningShim, request: JobRequested, transcript: Transcript = TRANSCRIPT) -> None:
    """The job ends with a transcript."""
    elsewhere(lambda: shim.complete(request, transcript))


def transcript_of(*lines: str, language: str = "en", seconds: float = 2.0) -> Transcript:
    """Lines of two speakers in turn, each of so many seconds, with its words evenly in it."""
    segments = tuple(_segment(number, line, seconds) for number, line in enumerate(lines))
    return replace(
        TRANSCRIPT, language=language, duration=len(lines) * seconds, segments=segments, warnings=(), uncovered=0.0
    )


def _segment(number: int, line: str, seconds: float) -> Segment:
    start, texts = number * seconds, line.split()
    length = seconds / len(texts)
    speaker = f"SPEAKER_0{number % 2}"
    words = tuple(
        Word(start=start + place * length, end=start + (place + 1) * length, text=text, speaker=speaker)
        for place, text in enumerate(texts)
    )
    return Segment(start=start, end=start + seconds, text=line, speaker=speaker, words=words)


def _tenant_of(shim: RunningShim, key: str) -> str:
    key_id = key.split("_")[2]
    found = rows(shim, "SELECT tenant FROM api_keys WHERE key_id = %s", key_id)
    return str(found[0][0])
