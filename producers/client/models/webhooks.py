"""Webhook endpoints, their secrets, deliveries and attempts."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from .document import Document


class Endpoint(Document):
    """An address that gets webhooks; `reason` says why it is disabled."""

    endpoint_id: UUID
    url: str
    description: str
    state: str
    reason: str | None
    max_per_second: float | None
    events: tuple[str, ...] | None
    created_at: datetime
    disabled_at: datetime | None
    failing_since: datetime | None
    paused_until: datetime | None
    old_secret_until: datetime | None
    links: dict[str, str]


class EndpointSecret(Document):
    """The secret that verifies signatures (Standard Webhooks 1.0.0)."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"secret"})

    secret: str
    old_secret_until: datetime | None


class Attempt(Document):
    """One attempt of a delivery; without `ended_at` it runs, or its process died."""

    attempt: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    status: int | None
    latency_ms: int | None
    error: str | None
    answer: str | None


class Delivery(Document):
    """A delivery; `payload` and `ledger`, which has every attempt, are those of one that was read by its id."""

    delivery_id: UUID
    webhook_id: str
    endpoint_id: UUID
    url: str
    job_id: UUID | None
    type: str
    sequence: int | None
    state: str
    attempts: int
    outcome: str | None
    status: int | None
    error: str | None
    created_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    cleared_at: datetime | None
    links: dict[str, str]
    payload: dict[str, Any] | None = None
    ledger: tuple[Attempt, ...] = ()
