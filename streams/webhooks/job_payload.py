"""Webhook payload of an ended job: small, and with the transcript only while that fits."""

import json
from collections.abc import Mapping
from typing import Any

from schemas.events import JobError, JobResult, Outcome
from schemas.requests.limits import MAX_ID_CHARS
from schemas.requests.recording_names import recording_name
from schemas.transcript import Transcript
from schemas.webhooks.event_types import JobType
from schemas.webhooks.payloads import JobData, JobFailure, JobOutcome, JobWebhook, SaidSegment, time_text
from sink.postgres.sanitize import sanitize_for_postgres

MAX_BYTES = 20_000  # Standard Webhooks asks for less than 20 KB
_NUMBER_BYTES = len(',"sequence":') + len(str(2**63))
TYPES: Mapping[Outcome, JobType] = {
    Outcome.COMPLETED: "job.completed",
    Outcome.FAILED: "job.failed",
    Outcome.CANCELLED: "job.cancelled",
}
_OUTCOMES: Mapping[Outcome, JobOutcome] = {
    Outcome.COMPLETED: "completed",
    Outcome.FAILED: "failed",
    Outcome.CANCELLED: "cancelled",
}


def body_of(payload: Mapping[str, object]) -> bytes:
    """The bytes to sign and send; equal for equal payloads."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def payload_of(result: JobResult, public_url: str) -> JobWebhook:
    """The webhook payload of a result; links start with `public_url`."""
    data = _data(result, public_url)
    smallest = _payload(result, data)
    if result.transcript is None:
        return smallest
    with_text: JobData = {**data, "text": sanitize_for_postgres(result.transcript.text)}
    with_all: JobData = {**with_text, "segments": _segments(result.transcript)}
    fullest = (_payload(result, candidate) for candidate in (with_all, with_text))
    return next((payload for payload in fullest if fits(payload)), smallest)


def fits(payload: Mapping[str, object]) -> bool:
    """Whether a payload, with its sequence number, is within the size that the standard recommends."""
    return len(body_of(payload)) + _NUMBER_BYTES < MAX_BYTES


def numbered(payload: Mapping[str, object], sequence: int | None) -> Mapping[str, object]:
    """The payload with its sequence number within its endpoint, which is assigned after the payload was created."""
    return payload if sequence is None else {**payload, "sequence": sequence}


def as_failed(payload: Mapping[str, Any], error: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of a result that could not be applied: the job has failed with `error`, a JobError as JSON."""
    data = {name: value for name, value in payload["data"].items() if name not in ("text", "segments")}
    changes: dict[str, Any] = {
        "outcome": _OUTCOMES[Outcome.FAILED],
        "error": error,
        "speakers": [],
        "transcript_url": None,
    }
    return {**payload, "type": TYPES[Outcome.FAILED], "data": data | changes}


def failure_of(error: JobError | None) -> JobFailure | None:
    """An error in the form of webhooks."""
    return None if error is None else {"kind": error.kind, "code": error.code, "message": error.message}


def _payload(result: JobResult, data: JobData) -> JobWebhook:
    return {"type": TYPES[result.outcome], "timestamp": time_text(result.completed_at), "data": data}


def _data(result: JobResult, public_url: str) -> JobData:
    transcript = result.transcript
    link = f"{public_url.rstrip('/')}/api/v1/jobs/{result.job_id}/transcript"
    source = result.request.source
    data: JobData = {
        "job_id": str(result.job_id),
        "run": result.run,
        "tenant": result.tenant[:MAX_ID_CHARS],
        "recording_id": _short(result.request.recording_id),
        "name": _short(recording_name(source.uri, source.name)),
        "outcome": _OUTCOMES[result.outcome],
        "error": failure_of(result.error),
        "language": transcript.language if transcript else _short(result.request.options.language),
        "duration": _duration(result),
        "speakers": list(result.speakers),
        "transcript_url": link if result.outcome is Outcome.COMPLETED else None,
    }
    kept: JobData = sanitize_for_postgres(data)
    return kept


def _duration(result: JobResult) -> float | None:
    if result.transcript is not None:
        return result.transcript.duration
    return None if result.audio is None else result.audio.duration


def _short(text: str | None) -> str | None:
    """Shortened text of a possibly unchecked request, so that the webhook of its failure stays small."""
    return text and text[:MAX_ID_CHARS]


def _segments(transcript: Transcript) -> list[SaidSegment]:
    """The segments without their words."""
    said: list[SaidSegment] = [
        {"start": s.start, "end": s.end, "speaker": s.speaker, "channel": s.channel, "text": s.text}
        for s in transcript.segments
    ]
    kept: list[SaidSegment] = sanitize_for_postgres(said)
    return kept
