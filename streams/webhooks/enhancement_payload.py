"""Webhook payload of an enhancement: its full result while that is small, else the summary, else only the link."""

from schemas.events import EnhancementResult, Outcome
from schemas.webhooks.event_types import EnhancementType
from schemas.webhooks.payloads import EnhancementData, EnhancementWebhook, FoundEntity, time_text
from sink.postgres.sanitize import sanitize_for_postgres
from streams.webhooks.job_payload import failure_of, fits


def type_of(result: EnhancementResult) -> EnhancementType:
    """The webhook type of an enhancement."""
    return "enhancement.completed" if result.outcome is Outcome.COMPLETED else "enhancement.failed"


def payload_of(result: EnhancementResult, public_url: str) -> EnhancementWebhook:
    """The webhook payload of an enhancement; links start with `public_url`."""
    data: EnhancementData = {
        "enhancement_id": str(result.enhancement_id),
        "job_id": str(result.job_id),
        "run": result.run,
        "tenant": result.tenant,
        "outcome": "completed" if result.outcome is Outcome.COMPLETED else "failed",
        "error": failure_of(result.error),
        "model": result.model,
        "tokens": result.tokens,
        "enhancement_url": f"{public_url.rstrip('/')}/api/v1/enhanced-ai/{result.enhancement_id}",
    }
    with_summary: EnhancementData = {**data, "summary": result.summary}
    with_all: EnhancementData = {**with_summary, "entities": _entities(result)}
    candidates = [_payload(result, candidate) for candidate in (with_all, with_summary, data)]
    return next((payload for payload in candidates if fits(payload)), candidates[-1])


def _payload(result: EnhancementResult, data: EnhancementData) -> EnhancementWebhook:
    return {"type": type_of(result), "timestamp": time_text(result.completed_at), "data": sanitize_for_postgres(data)}


def _entities(result: EnhancementResult) -> list[FoundEntity]:
    return [{"text": e.text, "kind": e.kind, "start": e.start, "end": e.end} for e in result.entities]
