"""Events as the plain values that Avro writes, changed at will: what our own classes would never hold."""

import io
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import fastavro

from schemas.events import Event
from schemas.wire.avro_reading import current_schema
from schemas.wire.serde import MAGIC, _plain
from tests.integration.foreign.service import WholeService

GONE = object()


def plain(event: Event) -> dict[str, Any]:
    """The fields of an event, deep, to be changed."""
    return deepcopy(_plain(event))


def changed(event: Event, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with some of them different, by dotted path: `options.task`, `request.run`."""
    values = plain(event)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = values
        for name in parents:
            place = place[name]
        place[last] = value
    return values


def framed(service: WholeService, event: Event, values: Mapping[str, Any]) -> bytes:
    """The values in Confluent wire format, by the current schema of the event."""
    out = io.BytesIO()
    # what we write ourselves is of an older schema wherever that will do
    out.write(MAGIC + service.serde._store.id_of(event.KIND).to_bytes(4, "big"))
    fastavro.schemaless_writer(out, current_schema(event.KIND), values)
    return out.getvalue()
