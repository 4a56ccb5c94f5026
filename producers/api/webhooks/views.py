"""Request bodies and views of webhooks for their owners: endpoints, secrets, deliveries and attempts."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from producers.api.jobs.bodies import Address, Body, Time
from producers.api.requests.cursor import MAX_CHARS
from schemas.webhooks.deliveries import (
    MAX_OVERLAP_SECONDS,
    MAX_WAIT_SECONDS,
    OVERLAP_SECONDS,
    WAIT_SECONDS,
    DeliveryState,
)
from schemas.webhooks.event_types import EventType
from sink.webhooks.endpoints import Endpoint
from sink.webhooks.history import Attempt, WebhookDelivery
from sink.webhooks.signature import message_id

PATH = "/api/v1/webhooks"
MAX_PER_SECOND = 1000.0

_EXAMPLE: JsonDict = {"url": "https://crm.example.com/hooks/transcripts", "description": "CRM", "max_per_second": 20}
Description = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$", description="Your own note.")]
Events = Annotated[
    list[EventType],
    AfterValidator(lambda chosen: sorted(set(chosen))),
    Field(min_length=1, max_length=100, description="The events that are sent there; null: all, also those to come."),
]
Pace = Annotated[float, Field(ge=0.01, le=MAX_PER_SECOND, description="Most webhooks a second; null: the default.")]


class EndpointBody(Body):
    """An address to register for webhooks."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    url: Address = Field(description="A public https address.")
    description: Description = ""
    max_per_second: Pace | None = None
    events: Events | None = None


class EndpointChange(Body):
    """Changes of an endpoint; omitted fields stay as they are."""

    description: Description = ""
    max_per_second: Pace | None = None
    events: Events | None = None
    state: Literal["enabled", "disabled"] = "enabled"


class RotateBody(Body):
    """The overlap of the old secret with the new one."""

    overlap_seconds: int = Field(
        OVERLAP_SECONDS, ge=0, le=MAX_OVERLAP_SECONDS, description="How long it signs along; 0: not at all."
    )


class RedeliverBody(Body):
    """A selection of an endpoint's deliveries to send again."""

    since: Time = Field(description="Those scheduled then or later.")
    only_failed: bool = Field(True, description="Not those that were delivered.")
    cursor: str | None = Field(
        None, max_length=MAX_CHARS, description="From `next_cursor` of the call before, all else as it was."
    )


class TestBody(Body):
    """The address of a test webhook."""

    __test__ = False  # for pytest: it is a body, not a test

    url: Address = Field(description="The address; it becomes an endpoint if it is none yet.")
    wait_seconds: float = Field(
        WAIT_SECONDS, ge=0, le=MAX_WAIT_SECONDS, description="How long to wait for the outcome."
    )


class EndpointView(BaseModel):
    """The current state of an endpoint."""

    endpoint_id: UUID
    url: str
    description: str
    state: str = Field(examples=["enabled"])
    reason: str | None = Field(description="Why it is disabled.")
    max_per_second: float | None
    events: list[str] | None = Field(
        description="The events that are sent there; null: all.", examples=[["job.failed"]]
    )
    created_at: datetime
    disabled_at: datetime | None
    failing_since: datetime | None = Field(description="The first failure after the last success.")
    paused_until: datetime | None = Field(description="The receiver asked for a pause.")
    old_secret_until: datetime | None = Field(description="Until then the secret of before the rotation signs along.")
    links: dict[str, str]


class SecretView(BaseModel):
    """The secret that verifies signatures (Standard Webhooks 1.0.0)."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    old_secret_until: datetime | None


class AttemptView(BaseModel):
    """One attempt. Without `ended_at` it is running, or its process died before it could record the end."""

    attempt: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None = Field(examples=["delivered", "answered", "timeout", "unreachable"])
    status: int | None
    latency_ms: int | None
    error: str | None
    answer: str | None = Field(description="The first kilobyte of the receiver's words.")


class DeliveryView(BaseModel):
    """The current state of a delivery; status, outcome and error are those of its last attempt."""

    delivery_id: UUID
    webhook_id: str = Field(description="What the receiver sees at every attempt.", examples=["msg_mfrggzdfmztwq2lk"])
    endpoint_id: UUID
    url: str
    job_id: UUID | None
    type: str = Field(examples=["job.completed"])
    sequence: int | None = Field(description="Its order number among those of the endpoint.")
    state: DeliveryState
    attempts: int
    outcome: str | None
    status: int | None
    error: str | None
    created_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    cleared_at: datetime | None = Field(description="When payload and attempts were deleted: their time was over.")
    links: dict[str, str]


class DeliveryDetail(DeliveryView):
    """A delivery with its payload and every attempt."""

    payload: dict[str, Any]
    ledger: list[AttemptView]


class DeliveryList(BaseModel):
    """Deliveries, the newest first."""

    deliveries: list[DeliveryView]
    next_cursor: str | None = Field(description="Send it as `cursor` for those that follow.")


class EndpointList(BaseModel):
    """Endpoints, the oldest first."""

    endpoints: list[EndpointView]
    next_cursor: str | None = Field(description="Send it as `cursor` for those that follow.")


class Redelivered(BaseModel):
    """The number of deliveries that are scheduled again."""

    redelivered: int
    next_cursor: str | None = Field(description="There may be more than one call takes: send it again with this.")


def endpoint_view(endpoint: Endpoint) -> EndpointView:
    """An endpoint in the form for clients."""
    path = f"{PATH}/endpoints/{endpoint.endpoint_id}"
    links = {
        "self": path,
        "secret": f"{path}/secret",
        "deliveries": f"{PATH}/deliveries?endpoint_id={endpoint.endpoint_id}",
    }
    return EndpointView(**asdict(endpoint), paused_until=endpoint.blocked_until, links=links)


def delivery_view(delivery: WebhookDelivery) -> DeliveryView:
    """A delivery without its attempts."""
    return DeliveryView(**_fields(delivery))


def delivery_detail(delivery: WebhookDelivery, attempts: list[Attempt]) -> DeliveryDetail:
    """A delivery with its payload and attempts."""
    return DeliveryDetail(**_fields(delivery), ledger=[AttemptView(**asdict(attempt)) for attempt in attempts])


def delivery_path(delivery: UUID) -> str:
    """The path of a delivery."""
    return f"{PATH}/deliveries/{delivery}"


def _fields(delivery: WebhookDelivery) -> dict[str, Any]:
    links = {"self": delivery_path(delivery.delivery_id), "endpoint": f"{PATH}/endpoints/{delivery.endpoint_id}"}
    return {**asdict(delivery), "webhook_id": message_id(delivery.delivery_id), "links": links}
