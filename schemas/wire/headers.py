"""Record headers: CloudEvents in binary mode, W3C trace context, and the origin of a retried record.

Sources: CloudEvents 1.0.2 Kafka protocol binding 3.2, W3C Trace Context 1, KIP-1191 for `__dlq.errors.*`.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from schemas.events import Event, subject_of
from schemas.wire.trace_context import current

CONTENT_TYPE = "content-type"
TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
ATTEMPT = "scribe-attempt"
NOT_BEFORE = "scribe-not-before"
ORIGINAL_TOPIC = "scribe-orig-topic"
ORIGINAL_PARTITION = "scribe-orig-partition"
ORIGINAL_OFFSET = "scribe-orig-offset"
ERROR_KIND = "scribe-error-kind"
ERROR_CODE = "scribe-error-code"
ERROR_MESSAGE = "scribe-error-message"
GROUP = "scribe-group"
REPLAY_ID = "scribe-replay-id"  # of the redrive or replay by which a record was sent again
ONLY_FOR = "scribe-only-for"  # the one group of the service that a record sent again is meant for; others pass it over
RESULTS_TO = "scribe-results-to"  # where the result of a replay goes that is to change nothing else
VALUE_OMITTED = "scribe-value-omitted"  # bytes of an original too large to be forwarded with its headers
KEY_OMITTED = "scribe-key-omitted"  # bytes of its key, if that was too large as well
VALUE_ABSENT = "scribe-value-absent"  # the original had none, nor a key, and the copy is empty in its place
UNREADABLE = "scribe-unreadable"  # the copy holds bytes of the topic in which no record could be read

MAX_HEADER_CHARS = 1000
FATE = frozenset(
    {
        *(ATTEMPT, NOT_BEFORE, ORIGINAL_TOPIC, ORIGINAL_PARTITION, ORIGINAL_OFFSET),
        *(ERROR_KIND, ERROR_CODE, ERROR_MESSAGE, GROUP, REPLAY_ID, ONLY_FOR),
        *(VALUE_OMITTED, KEY_OMITTED, VALUE_ABSENT, UNREADABLE),
        *(f"__dlq.errors.{name}" for name in ("topic", "partition", "offset", "group", "message")),
    }
)
"""What became of a record so far: gone when it begins anew."""
OWN = FATE | {
    *("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"),
    *(CONTENT_TYPE, TRACEPARENT, TRACESTATE, RESULTS_TO),
}
"""Every header that the service writes itself."""

_TRACEPARENT = re.compile("[^-]*-([0-9a-f]{32})-[^-]*-[^-]*")

Headers = Mapping[str, str]
RawHeaders = Iterable[tuple[str, bytes | None]] | Mapping[str, bytes] | None


def new_traceparent() -> str:
    """A fresh W3C trace context, sampled."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def next_traceparent(parent: str | None) -> str:
    """The trace context for what comes of `parent`: that of the current span of its trace, else a new one in the trace.

    Without a parent it comes of what the task works on, and if that is nothing it begins a trace.
    """
    here = current()
    trace = trace_id(parent) or trace_id(here.traceparent if here else None)
    if here is not None and here.exported and trace_id(here.traceparent) == trace:
        return here.traceparent
    return new_traceparent() if trace is None else f"00-{trace}-{secrets.token_hex(8)}-01"


def trace_id(traceparent: str | None) -> str | None:
    """The 32 hex digits shared by all logs of a job; None for a malformed header."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found[1] if found and set(found[1]) != {"0"} else None


def event_headers(event: Event, source: str, now: datetime, parent: str | None = None) -> dict[str, str]:
    """The headers of a new event that `source` (a process name) writes at `now`."""
    return {
        "ce_specversion": "1.0",
        "ce_id": str(event.event_id),
        "ce_source": f"/scribe-rabbit/{source}",
        "ce_type": f"scribe.{event.KIND}",
        "ce_time": now.astimezone(UTC).isoformat(),
        "ce_subject": subject_of(event),
        CONTENT_TYPE: "application/avro",
        TRACEPARENT: next_traceparent(parent),
    }


def read_headers(raw: RawHeaders) -> dict[str, str]:
    """Headers as text; the last of equal names counts, invalid UTF-8 is replaced, never an error."""
    items = raw.items() if isinstance(raw, Mapping) else (raw or ())
    return {name: (value or b"").decode("utf-8", "replace") for name, value in items}


@dataclass(frozen=True, slots=True)
class Origin:
    """The original position of a record, which retries and dead letters keep."""

    topic: str
    partition: int
    offset: int


def origin_of(headers: Headers, here: Origin) -> Origin:
    """The origin of a record that is now at `here`; malformed headers count as none."""
    try:
        return Origin(headers[ORIGINAL_TOPIC], int(headers[ORIGINAL_PARTITION]), int(headers[ORIGINAL_OFFSET]))
    except (KeyError, ValueError):
        return here


def attempt_of(headers: Headers) -> int:
    """The attempt number of a record: 1 unless a retry header says otherwise."""
    text = headers.get(ATTEMPT, "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def not_before_of(headers: Headers) -> float | None:
    """The time (Unix seconds) before which a record is not to be tried; None without one, or with nonsense."""
    text = headers.get(NOT_BEFORE, "")
    return int(text) / 1000 if text.isascii() and text.isdigit() and len(text) < 20 else None


def retry_headers(headers: Headers, origin: Origin, attempt: int, not_before: datetime, message: str) -> dict[str, str]:
    """Headers of a record on its way to a retry topic; all its own headers are kept."""
    return {
        **headers,
        **_origin_headers(origin),
        ATTEMPT: str(attempt),
        NOT_BEFORE: str(int(not_before.timestamp() * 1000)),
        ERROR_MESSAGE: _bounded(message),
    }


def dead_letter_headers(
    headers: Headers, origin: Origin, group: str, kind: str, code: str, message: str
) -> dict[str, str]:
    """Headers of a record on its way to a dead-letter topic, readable by KIP-1191 viewers too."""
    return {
        **headers,
        **_origin_headers(origin),
        GROUP: group,
        ERROR_KIND: kind,
        ERROR_CODE: code,
        ERROR_MESSAGE: _bounded(message),
        "__dlq.errors.topic": origin.topic,
        "__dlq.errors.partition": str(origin.partition),
        "__dlq.errors.offset": str(origin.offset),
        "__dlq.errors.group": group,
        "__dlq.errors.message": _bounded(message),
    }


def renewed_headers(headers: Headers, replay_id: UUID, only_for: str | None = None) -> dict[str, str]:
    """Headers of a replayed record, by `replay_id` and for one group if named: its history is left out."""
    kept = {name: value for name, value in headers.items() if name not in FATE}
    return {**kept, REPLAY_ID: str(replay_id), **({ONLY_FOR: only_for} if only_for else {})}


def is_for(headers: Headers, group: str) -> bool:
    """Whether a record is meant for a group; only one that is sent again may be for one alone, or it would never end."""
    return REPLAY_ID not in headers or headers.get(ONLY_FOR, group) == group


def own_headers(headers: Headers) -> dict[str, str]:
    """The headers that the service itself writes, each of limited length, for records too large with all headers."""
    return {name: _bounded(value) for name, value in headers.items() if name in OWN}


def _bounded(text: str) -> str:
    """Text shortened to the length that a header can carry."""
    return text[:MAX_HEADER_CHARS].encode(errors="replace").decode()


def _origin_headers(origin: Origin) -> dict[str, str]:
    return {
        ORIGINAL_TOPIC: origin.topic,
        ORIGINAL_PARTITION: str(origin.partition),
        ORIGINAL_OFFSET: str(origin.offset),
    }
