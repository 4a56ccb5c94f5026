"""What a webhook says about an enhancement: all of it while that is small, else the summary, else the link alone."""

from dataclasses import asdict
from typing import Any

from schemas.events import EnhancementResult
from sink.postgres.sanitize import storable
from streams.webhooks.job_payload import envelope, fits

TYPE = "enhancement."
"""What the types begin with; the outcome follows."""


def payload_of(result: EnhancementResult, public_url: str) -> dict[str, Any]:
    """The webhook of an enhancement; links start with `public_url`."""
    data: dict[str, Any] = {
        "enhancement_id": str(result.enhancement_id),
        "job_id": str(result.job_id),
        "run": result.run,
        "tenant": result.tenant,
        "outcome": str(result.outcome),
        "error": asdict(result.error) if result.error else None,
        "model": result.model,
        "tokens": result.tokens,
        "enhancement_url": f"{public_url.rstrip('/')}/api/v1/enhanced-ai/{result.enhancement_id}",
    }
    summary = {"summary": result.summary}
    fullest = (data | summary | {"entities": [asdict(entity) for entity in result.entities]}, data | summary, data)
    candidates = [
        envelope(TYPE + str(result.outcome), result.completed_at, storable(candidate)) for candidate in fullest
    ]
    return next((payload for payload in candidates if fits(payload)), candidates[-1])
