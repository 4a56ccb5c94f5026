"""Inbound records: deliveries of Faust as plain values, with what logs say of them."""

from dataclasses import dataclass, field
from typing import Any

from schemas.errors import Poison
from schemas.events import Event, TenantPolicy
from schemas.wire.headers import TRACEPARENT, Origin, read_headers, trace_id
from schemas.wire.serde import schema_id_of
from streams.kafka.record_batches import Unreadable
from streams.runtime.last_resort import Subject, digest_of


@dataclass(frozen=True, slots=True)
class InboundRecord:
    """A record as it was delivered."""

    origin: Origin
    key: bytes | None
    value: bytes | None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> Subject:
        """The record's identity in the last resort."""
        return Subject(self.origin, digest_of(self.key, self.value))

    @property
    def refusal(self) -> str | None:
        """The reason why it is not an event, where that is visible without decoding."""
        if isinstance(self.value, Unreadable):
            return self.value.reason
        try:
            schema_id_of(self.value)
        except Poison as error:
            return str(error)
        return None


def inbound_of(message: Any) -> InboundRecord:
    """A Faust event as plain values."""
    origin = Origin(message.topic, message.partition, message.offset)
    return InboundRecord(origin, message.key, message.value, read_headers(message.headers))


def release_contents(message: Any) -> None:
    """Release the contents of a record: each of many agents keeps its last event while it waits for the next."""
    message.key = message.value = message.headers = None


def log_fields(inbound: InboundRecord) -> dict[str, object]:
    """The place and the trace of a record, for logs."""
    origin = inbound.origin
    return {
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
        "trace_id": trace_id(inbound.headers.get(TRACEPARENT)),
    }


def log_fields_of_event(event: Event) -> dict[str, object]:
    """The tenant and the job of an event, for logs."""
    job = {} if isinstance(event, TenantPolicy) else {"job_id": str(event.job_id)}
    return {"tenant": event.tenant, **job}
