"""Examples of the fields of all bodies and answers, by name: what has the same name is the same thing everywhere."""

from typing import Any

from producers.api.requests.ids import DELIVERY, ENDPOINT, ENHANCEMENT, JOB
from schemas.vocabulary.job_states import JobState

_CURSOR = "eyJhdCI6IjIwMjYtMDEtMzFUMTI6MDA6MDBaIn0"
_MESSAGE = "The file is empty. Check that the upload was complete."
_TEXT = "hello anna"
_URL = "https://crm.example.com/hooks/transcripts"
_KEY = "sk_3T9cKq0wZr5L_7Qm2"

OF_FIELD: dict[str, Any] = {
    "If-None-Match": '"6b1f4d0e9a532f6f2c8f4a11"',
    "Last-Event-ID": "812:812:/812:813:/57",
    "answer": "ok",
    "asked_by": "3T9cKq0wZr5L",
    "code": "media_empty",
    "cursor": _CURSOR,
    "default_language": "he",
    "delivery_id": DELIVERY,
    "description": "For calls in Hebrew",
    "duration": 2.5,
    "end": 1.5,
    "endpoint_id": ENDPOINT,
    "engine": "faster-whisper",
    "enhancement_id": ENHANCEMENT,
    "expires_at": "2030-01-31T12:00:00Z",
    "field": "language",
    "fraction": 0.4,
    "hotwords": "Anna, Scribe Rabbit",
    "id": "whisper-1",
    "job_id": JOB,
    "key": _KEY,
    "key_id": "3T9cKq0wZr5L",
    "kind": "person",
    "label": "CRM, production",
    "language": "he",
    "language_probability": 0.98,
    "languages": ["he"],
    "latency_ms": 42,
    "llm_model": "small",
    "max_per_second": 20,
    "message": _MESSAGE,
    "metadata": {"customer": "42"},
    "model": "large-v3-turbo",
    "models": [{"name": "large-v3-turbo", "digest": "ab12", "compute_type": "float16"}],
    "name": "call-17.opus",
    "next_cursor": None,
    "object": "model",
    "outbox_oldest_seconds": 0.25,
    "outcome": "delivered",
    "owned_by": "scribe-rabbit",
    "payload": {"type": "job.completed", "timestamp": "2026-01-31T12:00:00.250000Z", "data": {"job_id": JOB}},
    "position": 0,
    "priority": "standard",
    "prompt": "A call between Anna and her bank.",
    "reason": None,
    "recording_id": "call-17",
    "rows": {"segments": 2, "job_events": 4},
    "scopes": ["read", "write"],
    "seconds": 2.5,
    "source": "https://media.example.com/calls/17.opus",
    "speaker": "SPEAKER_00",
    "speakers": ["SPEAKER_00", "SPEAKER_01"],
    "speech": 2.25,
    "start": 0.25,
    "summary": "Anna is greeted; they meet on Monday.",
    "temperature": 0,
    "tenant": "acme",
    "text": _TEXT,
    "timings": {"decode": 0.5, "transcribe": 1.25},
    "tokens": 312,
    "too_common": [],
    "total_seconds": 2.5,
    "track": "1",
    "transcription_job_id": JOB,
    "uncovered": 0.0,
    "url": _URL,
    "verbose": "",
    "warnings": [],
    "webhook-id": "msg_mfrggzdfmztwq2lk",
    "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    "webhook-timestamp": "1769860800",
    "webhook_url": _URL,
}
"""A value for each name; a schema in which it means something else is in OF_SCHEMA."""

_WEBHOOK_LINKS = {
    "self": f"/api/v1/webhooks/deliveries/{DELIVERY}",
    "endpoint": f"/api/v1/webhooks/endpoints/{ENDPOINT}",
}
_SUMMARY: dict[str, Any] = {
    "job_id": JOB,
    "state": JobState.QUEUED.value,
    "recording_id": "call-17",
    "name": "17.opus",
    "run": 1,
    "attempt": 1,
    "source": OF_FIELD["source"],
    "options": {"engine": "faster-whisper", "model": None, "language": "he", "diarize": True},
    "priority": "standard",
    "metadata": OF_FIELD["metadata"],
    "webhook_url": _URL,
    "requested_at": "2026-01-31T12:00:00Z",
    "updated_at": "2026-01-31T12:00:00Z",
    "completed_at": None,
    "expires_at": None,
    "cancel_requested_at": None,
    "progress": {"done_seconds": 0.0, "total_seconds": None, "fraction": None},
    "result": None,
    "error": None,
    "links": {"self": f"/api/v1/jobs/{JOB}"},
}
_RESULT = {
    name: OF_FIELD[name]
    for name in (
        *("language", "language_probability", "duration", "speech", "uncovered"),
        *("speakers", "models", "timings", "warnings"),
    )
}
_ENDED: dict[str, Any] = {
    "state": JobState.COMPLETED.value,
    "updated_at": "2026-01-31T12:00:07Z",
    "completed_at": "2026-01-31T12:00:07Z",
    "progress": {"done_seconds": 2.5, "total_seconds": 2.5, "fraction": 1.0},
    "result": _RESULT,
    "links": {"self": f"/api/v1/jobs/{JOB}", "transcript": f"/api/v1/jobs/{JOB}/transcript"},
    "history": [
        {"run": 1, "state": "queued", "at": "2026-01-31T12:00:00Z", "detail": {}},
        {"run": 1, "state": "completed", "at": "2026-01-31T12:00:07Z", "detail": {}},
    ],
    "enhancements": [],
}
_WAIT = {"message": "It is not in Kafka yet.", "id": JOB, "ahead": None, "next_attempt_at": None}
_WAITING = {"message": "The job waits: it is not in Kafka yet.", "since": "2026-01-31T12:00:00Z"}
OF_SCHEMA: dict[str, dict[str, Any]] = {
    "AttemptView": {"error": None, "status": 200},
    "BulkOutcome": {"line": 1, "status": 202, "job": _SUMMARY, "problem": None},
    "DeliveryDetail": {
        "state": "delivered",
        "status": 200,
        **dict.fromkeys(("error", "next_attempt_at", "cleared_at")),
        "ended_at": "2026-01-31T12:00:01Z",
        "links": _WEBHOOK_LINKS,
    },
    "DeliveryView": {
        **dict.fromkeys(("error", "outcome", "status", "ended_at", "cleared_at")),
        "links": _WEBHOOK_LINKS,
    },
    "EndpointChange": {"description": "CRM"},
    "EndpointView": {
        **dict.fromkeys(("disabled_at", "failing_since", "paused_until", "old_secret_until")),
        "description": "CRM",
        "links": {"self": f"/api/v1/webhooks/endpoints/{ENDPOINT}"},
    },
    "EnhancementView": {
        "error": None,
        "model": "small",
        "links": {"self": f"/api/v1/enhanced-ai/{ENHANCEMENT}", "job": f"/api/v1/jobs/{JOB}"},
    },
    "EntityView": {"text": "anna"},
    "HitView": {"links": {"job": f"/api/v1/jobs/{JOB}", "transcript": f"/api/v1/jobs/{JOB}/transcript"}},
    "JobSummary": _SUMMARY,
    "JobView": {**_SUMMARY, **_ENDED},
    "KeyView": {"revoked_at": None},
    "RedeliverBody": {"cursor": None},
    "SecretView": {"old_secret_until": None},
    "WaitView": _WAIT,
    "HeldPartView": _WAIT,
    "StuckJobView": _WAITING,
    "WaitingView": _WAITING,
}
"""Values of single fields of a schema, where they differ."""
