"""What a webhook says about the end of a job: small, with the transcript inside only while it stays so."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from schemas.events import JobResult, Outcome
from schemas.requests.limits import MAX_ID_CHARS
from schemas.requests.recording_names import recording_name
from sink.postgres.sanitize import storable

MAX_BYTES = 20_000  # Standard Webhooks asks for less than 20 KB
_NUMBER_BYTES = len(',"sequence":') + len(str(2**63))
TYPES = {
    Outcome.COMPLETED: "job.completed",
    Outcome.FAILED: "job.failed",
    Outcome.CANCELLED: "job.cancelled",
}


def body_of(payload: dict[str, Any]) -> bytes:
    """The bytes that are signed and sent; the same for equal payloads."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def payload_of(result: JobResult, public_url: str) -> dict[str, Any]:
    """The webhook of a result; links start with `public_url`."""
    data = _data(result, public_url)
    fullest = (_with(data, result, "text", "segments"), _with(data, result, "text"), data)
    for candidate in fullest:
        payload = _payload(result, candidate)
        if fits(payload):
            return payload
    return _payload(result, data)


def envelope(kind: str, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    """What every webhook is: its type, the time of what it tells, and the data."""
    return {"type": kind, "timestamp": at.astimezone(UTC).isoformat().replace("+00:00", "Z"), "data": data}


def fits(payload: dict[str, Any]) -> bool:
    """Whether a payload is as small as the standard asks, with its order number."""
    return len(body_of(payload)) + _NUMBER_BYTES < MAX_BYTES


def numbered(payload: dict[str, Any], sequence: int | None) -> dict[str, Any]:
    """The webhook with its order number among those of its endpoint, which is given after the payload was made."""
    return payload if sequence is None else {**payload, "sequence": sequence}


def as_failed(payload: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    """The webhook of a result that could not be applied: the job has failed with `error`, a JobError as JSON."""
    data = {name: value for name, value in payload["data"].items() if name not in ("text", "segments")}
    changes: dict[str, Any] = {"outcome": str(Outcome.FAILED), "error": error, "speakers": [], "transcript_url": None}
    return {**payload, "type": TYPES[Outcome.FAILED], "data": data | changes}


def _payload(result: JobResult, data: dict[str, Any]) -> dict[str, Any]:
    return envelope(TYPES[result.outcome], result.completed_at, data)


def _data(result: JobResult, public_url: str) -> dict[str, Any]:
    transcript = result.transcript
    link = f"{public_url.rstrip('/')}/api/v1/jobs/{result.job_id}/transcript"
    source = result.request.source
    data: dict[str, Any] = storable(
        {
            "job_id": str(result.job_id),
            "run": result.run,
            "tenant": result.tenant[:MAX_ID_CHARS],
            "recording_id": _short(result.request.recording_id),
            "name": _short(recording_name(source.uri, source.name)),
            "outcome": str(result.outcome),
            "error": asdict(result.error) if result.error else None,
            "language": transcript.language if transcript else _short(result.request.options.language),
            "duration": transcript.duration if transcript else result.audio and result.audio.duration,
            "speakers": list(result.speakers),
            "transcript_url": link if result.outcome is Outcome.COMPLETED else None,
        }
    )
    return data


def _short(text: str | None) -> str | None:
    """Text of a request that nobody may have checked: a job fails for it too, and its webhook is to stay small."""
    return text and text[:MAX_ID_CHARS]


def _with(data: dict[str, Any], result: JobResult, *names: str) -> dict[str, Any]:
    """The data with parts of the transcript; segments without their words."""
    if result.transcript is None:
        return data
    parts = {
        "text": result.transcript.text,
        "segments": [
            {"start": s.start, "end": s.end, "speaker": s.speaker, "channel": s.channel, "text": s.text}
            for s in result.transcript.segments
        ],
    }
    return data | {name: storable(parts[name]) for name in names}
