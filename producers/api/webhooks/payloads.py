"""The webhooks of the OpenAPI document and producers/README.md: every type with fields, time of sending and example.

A test compares the webhooks that are sent with this description.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from producers.api.requests.ids import JOB
from schemas.webhooks.payloads import EnhancementWebhook, JobWebhook, TestWebhook


@dataclass(frozen=True, slots=True)
class Described:
    """A type of webhook: its schema, when it is sent, and an example."""

    form: type[Any]
    when: str
    example: dict[str, Any]


_API = "https://scribe.example/api/v1"
_JOB = {"job_id": JOB, "run": 1, "tenant": "acme"}
_ENHANCEMENT = {"enhancement_id": "5d0c3a56-07cf-4c0e-8f3d-6a8f4a2f7b20", **_JOB}
_COMPLETED: dict[str, Any] = {
    "duration": 2.5,
    "speakers": ["SPEAKER_00", "SPEAKER_01"],
    "transcript_url": f"{_API}/jobs/{_JOB['job_id']}/transcript",
    "text": "hello anna\nsee you on monday",
    "segments": [
        {"start": 0.25, "end": 1.5, "speaker": "SPEAKER_00", "channel": 0, "text": "hello anna"},
        {"start": 1.5, "end": 2.5, "speaker": "SPEAKER_01", "channel": 0, "text": "see you on monday"},
    ],
}
_EMPTY = {"kind": "media", "code": "media_empty", "message": "The file is empty. Check that the upload was complete."}
_REFUSED = {
    "kind": "internal",
    "code": "enhancement_failed",
    "message": "The enhanced-AI service did not do it: it answered 400. Ask again, perhaps with another llm_model.",
}
_ENHANCED: dict[str, Any] = {
    **_ENHANCEMENT,
    "outcome": "completed",
    "error": None,
    "model": "small",
    "tokens": 312,
    "enhancement_url": f"{_API}/enhanced-ai/{_ENHANCEMENT['enhancement_id']}",
    "summary": "Anna is greeted; they meet on Monday.",
    "entities": [
        {"text": "anna", "kind": "person", "start": 0.75, "end": 1.5},
        {"text": "monday", "kind": "date", "start": 2.0, "end": 2.5},
    ],
}


def _ended(outcome: str, error: dict[str, str] | None = None) -> dict[str, Any]:
    known = {
        **_JOB,
        "recording_id": "call-17",
        "name": "call-17.opus",
        "outcome": outcome,
        "error": error,
        "language": "en",
    }
    return {**known, "duration": None, "speakers": [], "transcript_url": None}


def _example(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "timestamp": "2026-01-31T12:00:00.250000Z", "data": data, "sequence": 17}


_PLAIN: tuple[tuple[str, type[Any], str, dict[str, Any]], ...] = (
    ("job.completed", JobWebhook, "a job has ended with a transcript", _ended("completed") | _COMPLETED),
    ("job.failed", JobWebhook, "a job has ended without one", _ended("failed", _EMPTY)),
    ("job.cancelled", JobWebhook, "a job was cancelled", _ended("cancelled")),
    ("enhancement.completed", EnhancementWebhook, "a summary or entities are there", _ENHANCED),
    (
        "enhancement.failed",
        EnhancementWebhook,
        "they could not be had",
        _ENHANCED
        | {"outcome": "failed", "error": _REFUSED, "model": None, "tokens": 0, "summary": None, "entities": []},
    ),
    (
        "webhook.test",
        TestWebhook,
        "somebody asked for a test; it is sent once",
        {"tenant": "acme", "endpoint_id": "9c1f1f50-93f5-5a39-8f83-0f2f3f0c7b02"},
    ),
)
DESCRIBED = {kind: Described(form, when, _example(kind, data)) for kind, form, when, data in _PLAIN}
"""Every type of webhooks."""

_HEADERS = {
    "webhook-id": "The same at every attempt: your idempotency key.",
    "webhook-timestamp": "Seconds since 1970 of this attempt.",
    "webhook-signature": "One or more signatures, `v1,` and base64, separated by spaces; any one that verifies is enough.",
}
_ANSWERS = {
    "2XX": "It is taken. Anything else, and silence for 20 seconds, is tried again.",
    "410": "Send nothing here any more: the endpoint is disabled.",
    "429": "Pause for as long as `Retry-After` says; 503 with `Retry-After` does the same.",
}


def operations(reference: str) -> dict[str, Any]:
    """The member `webhooks` of an OpenAPI 3.1 document; `reference` with `{model}` is the location of a schema."""
    return {kind: {"post": _operation(kind, described, reference)} for kind, described in DESCRIBED.items()}


def schemas(reference: str) -> dict[str, Any]:
    """The schemas of the webhooks, by name."""
    found: dict[str, Any] = {}
    for form in dict.fromkeys(described.form for described in DESCRIBED.values()):
        schema = TypeAdapter(form).json_schema(ref_template=reference)
        found |= schema.pop("$defs", {}) | {form.__name__: schema}
    return found


def _operation(kind: str, described: Described, reference: str) -> dict[str, Any]:
    body = {"schema": {"$ref": reference.format(model=described.form.__name__)}, "example": described.example}
    return {
        "operationId": kind.replace(".", "-"),
        "summary": f"Sent when {described.when}",
        "description": "Signed by Standard Webhooks 1.0.0: verify it with any of its libraries before you read it.",
        "tags": ["webhooks"],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in _HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {status: {"description": text} for status, text in _ANSWERS.items()},
    }
