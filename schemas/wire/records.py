"""A record ready to be sent by any producer: topic, key, value bytes and headers."""

from dataclasses import dataclass, field
from datetime import datetime

from schemas.events import Event, key_of
from schemas.wire.headers import event_headers
from schemas.wire.serde import Serde


@dataclass(frozen=True, slots=True)
class Record:
    """A record for a producer; the value is Confluent-framed Avro, or original bytes."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: dict[str, str] = field(default_factory=dict)


def record_of(serde: Serde, topic: str, event: Event, source: str, now: datetime, parent: str | None = None) -> Record:
    """The record of `event`; `parent` is the traceparent of its cause."""
    return Record(topic, key_of(event).encode(), serde.encode(event), event_headers(event, source, now, parent))
