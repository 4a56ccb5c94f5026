"""Scheduling of webhook deliveries: register an endpoint, add a delivery once per event, release it when it may go.

A delivery is created gated, without a time of its next attempt. It is released in the transaction that writes its event
into `applied_events`, or in its own when the event is already there; both hold the job's lock, so none is missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from psycopg.types.json import Jsonb

from schemas import metrics
from schemas.errors import Permanent
from schemas.events import JobError
from schemas.webhooks.deliveries import DeliveryState
from schemas.wire.trace_context import current_traceparent
from sink.postgres.database import Connection
from sink.postgres.job_lock import lock

CHANNEL = "scribe_webhooks"
LEASE_SECONDS = 15.0
MOST_COUNTED = 10_000  # of what waits: so many are many, and the rest is not counted
TEST: Final = "webhook.test"  # the type of a delivery that tells of no job
_ENDPOINTS = UUID("6f4f5f5e-5c0c-5d6b-9a5e-0a9a3c1b7d11")  # namespace of endpoint ids


class Scheduling(StrEnum):
    """Ends of the scheduling of an event's delivery."""

    SCHEDULED = "scheduled"
    DUPLICATE = "duplicate"  # it was scheduled before
    ERASED = "erased"  # its job was erased
    UNWANTED = "unwanted"  # the endpoint has chosen other events, or is no more


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A delivery of one event to one endpoint; without a job it waits for nothing."""

    event_id: UUID
    job_id: UUID | None
    type: str
    payload: Mapping[str, object]
    asked: bytes | None
    """Digest of the request whose end it tells, the request_digest of sink.jobs.runs.stored_request."""


def endpoint_id(tenant: str, url: str) -> UUID:
    """The id of a tenant's endpoint, derived from tenant and address, so equal for every registration."""
    return uuid5(_ENDPOINTS, f"{tenant}\n{url}")


def delivery_id(event_id: UUID, endpoint: UUID, asked: bytes | None = None) -> UUID:
    """The id of a delivery, the same however often its event is read.

    With `asked` that of the second request under one job id, whose event has the same id, to the same endpoint.
    """
    return uuid5(event_id, str(endpoint) if asked is None else f"{endpoint}/{asked.hex()}")


async def announce(connection: Connection) -> None:
    """Notify the dispatchers when the transaction commits."""
    await connection.execute(f"NOTIFY {CHANNEL}")


async def register_endpoint(connection: Connection, tenant: str, url: str, sealed_secret: bytes) -> UUID:
    """Register a tenant's endpoint and lock it against deletion; an existing one keeps its secret and state."""
    values = {"id": endpoint_id(tenant, url), "tenant": tenant, "url": url, "secret": sealed_secret}
    while True:
        await connection.execute(
            "INSERT INTO webhook_endpoints (endpoint_id, tenant, url, secret) VALUES (%(id)s, %(tenant)s, %(url)s, %(secret)s)"
            " ON CONFLICT (tenant, url) DO NOTHING",
            values,
        )
        cursor = await connection.execute(
            "SELECT endpoint_id FROM webhook_endpoints WHERE tenant = %(tenant)s AND url = %(url)s FOR KEY SHARE",
            values,
        )
        # no row: one that stood in the way of ours was deleted in between
        if row := await cursor.fetchone():
            return UUID(str(row["endpoint_id"]))


# The order number is taken in the last statement before the commit, and only for a delivery that is new.
_ADD = """
WITH endpoint AS (
    SELECT endpoint_id, tenant, state, CASE
        WHEN EXISTS (
            SELECT FROM webhook_deliveries d WHERE d.event_id = %(event_id)s AND d.endpoint_id = e.endpoint_id
                -- one that has no request yet is of an older version, or of an event that needs none
                AND COALESCE(d.asked = %(asked)s, true)
        ) THEN 'duplicate'
        WHEN scribe_is_erased(%(job_id)s::uuid) THEN 'erased'
        WHEN %(job_id)s::uuid IS NULL OR events IS NULL OR %(type)s = ANY (events) THEN 'scheduled'
        ELSE 'unwanted'
    END AS scheduling
    FROM webhook_endpoints e WHERE endpoint_id = %(endpoint_id)s
), new AS (
    SELECT endpoint_id, tenant, state, CASE WHEN EXISTS (
        SELECT FROM webhook_deliveries WHERE delivery_id = %(delivery_id)s
    ) THEN %(second_id)s::uuid ELSE %(delivery_id)s END AS delivery_id
    FROM endpoint WHERE scheduling = 'scheduled'
), numbered AS (
    INSERT INTO webhook_sequences AS s (endpoint_id, tenant, last) SELECT endpoint_id, tenant, 1 FROM new
    ON CONFLICT (endpoint_id) DO UPDATE SET last = s.last + 1 RETURNING endpoint_id, last
), added AS (
    INSERT INTO webhook_deliveries
        (delivery_id, event_id, endpoint_id, job_id, type, payload, asked, trace, sequence, state, next_attempt_at, ended_at,
        error)
    SELECT new.delivery_id, %(event_id)s, endpoint_id, %(job_id)s, %(type)s, %(payload)s, %(asked)s, %(trace)s, last,
        CASE state WHEN 'enabled' THEN 'pending' ELSE 'disabled' END,
        CASE WHEN a.event_id IS NOT NULL OR %(job_id)s::uuid IS NULL THEN now() END,
        CASE state WHEN 'enabled' THEN NULL ELSE now() END, a.error
    FROM new JOIN numbered USING (endpoint_id)
    LEFT JOIN applied_events a ON a.event_id = %(event_id)s AND COALESCE(a.asked = %(asked)s, true)
        AND NOT EXISTS (SELECT FROM jobs j WHERE j.job_id = a.job_id AND j.tenant <> new.tenant)
    ON CONFLICT DO NOTHING RETURNING endpoint_id, state
)
-- a delivery that another transaction has added in the meantime stands in the way of ours
SELECT CASE WHEN scheduling = 'scheduled' AND added.state IS NULL THEN 'duplicate' ELSE scheduling END AS scheduling,
    added.state
FROM endpoint LEFT JOIN added USING (endpoint_id)"""


async def add(connection: Connection, endpoint: UUID, new: NewDelivery) -> Scheduling:
    """Schedule a delivery to an endpoint; to a disabled one it is only recorded."""
    if new.job_id is not None:
        await lock(connection, new.job_id)
    cursor = await connection.execute(
        _ADD,
        {
            "endpoint_id": endpoint,
            "delivery_id": delivery_id(new.event_id, endpoint),
            "second_id": delivery_id(new.event_id, endpoint, new.asked),
            "event_id": new.event_id,
            "job_id": new.job_id,
            "type": new.type,
            "payload": Jsonb(new.payload),
            "asked": new.asked,
            "trace": current_traceparent(),
        },
    )
    row = await cursor.fetchone()
    if row is not None and row["state"] == DeliveryState.DISABLED:
        metrics.WEBHOOKS_ENDED.labels(state=DeliveryState.DISABLED).inc()
    await announce(connection)
    return Scheduling.UNWANTED if row is None else Scheduling(row["scheduling"])


_RELEASE = """
UPDATE webhook_deliveries d SET next_attempt_at = now(), error = a.error FROM applied_events a
WHERE a.event_id = d.event_id AND COALESCE(a.asked = d.asked, true) AND d.next_attempt_at IS NULL
    AND NOT EXISTS (
        SELECT FROM jobs j JOIN webhook_endpoints e ON e.endpoint_id = d.endpoint_id
        WHERE j.job_id = d.job_id AND j.tenant <> e.tenant
    )"""
# Of two requests under one job id one has lost when the other has ended the job; so has one under another tenant's id.
_TELL_CONFLICTS = """
UPDATE webhook_deliveries d SET next_attempt_at = now(), error = %s
FROM webhook_endpoints e WHERE e.endpoint_id = d.endpoint_id AND d.state = 'pending' AND d.next_attempt_at IS NULL
AND d.type LIKE 'job.%%' AND (
    EXISTS (SELECT FROM applied_events a WHERE a.event_id = d.event_id AND a.asked <> d.asked)
    OR EXISTS (SELECT FROM jobs j WHERE j.job_id = d.job_id AND j.tenant <> e.tenant)
)"""


async def release(connection: Connection, events: Sequence[UUID]) -> None:
    """Release deliveries of events that this transaction wrote into `applied_events`; it holds their jobs' locks."""
    await connection.execute(f"{_RELEASE} AND d.event_id = ANY(%s)", [list(events)])
    await announce(connection)


# A request with a run that no job has can only have failed, and no row takes that from it when the job is there already.
_RELEASE_UNRUNNABLE = """
UPDATE webhook_deliveries d SET next_attempt_at = now() FROM webhook_endpoints e, jobs j
WHERE e.endpoint_id = d.endpoint_id AND j.job_id = d.job_id AND j.tenant = e.tenant
    AND d.state = 'pending' AND d.next_attempt_at IS NULL AND d.type = 'job.failed'
    AND (d.payload -> 'data' ->> 'run')::integer < 1 AND j.run > (d.payload -> 'data' ->> 'run')::integer"""


async def release_unrunnable(connection: Connection) -> int:
    """Release deliveries that report the failure of a run below 1, which no row has."""
    released = (await connection.execute(_RELEASE_UNRUNNABLE)).rowcount
    if released:
        await announce(connection)
    return released


async def tell_conflicts(connection: Connection) -> int:
    """Release deliveries of requests that lost their job id to another: each reports a failed job and the reason."""
    reason = Permanent("conflict", "another request came under this job id")
    error = JobError(kind=str(reason.kind), code=reason.code, message=reason.message)
    released = (await connection.execute(_TELL_CONFLICTS, [Jsonb(asdict(error))])).rowcount
    if released:
        await announce(connection)
    return released


async def release_missed(connection: Connection) -> int:
    """Release deliveries of events that an older version applied meanwhile."""
    return (await connection.execute(f"{_RELEASE} AND d.state = 'pending'")).rowcount
