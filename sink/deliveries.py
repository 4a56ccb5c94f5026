"""Webhook endpoints, deliveries and attempts in PostgreSQL: registered, leased, and brought to an end.

A delivery is leased only when persist has applied its event. Attempts are counted when they are leased, so the
ledger holds the intent before any byte is sent; an intent without an outcome is sent again under the same id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from psycopg.types.json import Jsonb

from sink.postgres import Connection

CHANNEL = "scribe_webhooks"
LEASE_SECONDS = 15.0
_ENDPOINTS = UUID("6f4f5f5e-5c0c-5d6b-9a5e-0a9a3c1b7d11")  # namespace of endpoint ids


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """What one endpoint is to be told about one event."""

    event_id: UUID
    job_id: UUID
    type: str
    payload: dict[str, Any]
    asked: bytes
    """Digest of the request whose end it tells, sink.results.asked_for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A delivery that this process alone may attempt until its lease runs out; `secret` is encrypted."""

    delivery_id: UUID
    endpoint_id: UUID
    job_id: UUID
    tenant: str
    url: str
    secret: bytes
    type: str
    payload: dict[str, Any]
    attempt: int
    lease_token: UUID
    error: dict[str, Any] | None = None
    """JobError as JSON when the result was applied as a failure, whatever the payload says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended: `status` and `answer` of the receiver, or the error; latency in milliseconds."""

    outcome: str
    status: int | None = None
    error: str | None = None
    answer: str | None = None
    latency_ms: int | None = None


def endpoint_id(tenant: str, url: str) -> UUID:
    """The id of a tenant's endpoint, the same whoever registers it."""
    return uuid5(_ENDPOINTS, f"{tenant}\n{url}")


def delivery_id(event_id: UUID, endpoint: UUID) -> UUID:
    """The id of a delivery, the same however often its event is read."""
    return uuid5(event_id, str(endpoint))


async def announce(connection: Connection) -> None:
    """Wake the dispatchers when the transaction commits."""
    await connection.execute(f"NOTIFY {CHANNEL}")


async def register_endpoint(connection: Connection, tenant: str, url: str, sealed_secret: bytes) -> UUID:
    """The endpoint of a tenant and URL; an existing one keeps its secret and state."""
    endpoint = endpoint_id(tenant, url)
    await connection.execute(
        "INSERT INTO webhook_endpoints (endpoint_id, tenant, url, secret) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (tenant, url) DO NOTHING",
        [endpoint, tenant, url, sealed_secret],
    )
    cursor = await connection.execute(
        "SELECT endpoint_id FROM webhook_endpoints WHERE tenant = %s AND url = %s", [tenant, url]
    )
    row = await cursor.fetchone()
    return UUID(str(row["endpoint_id"])) if row else endpoint


async def add(connection: Connection, endpoint: UUID, new: NewDelivery) -> bool:
    """Schedule a delivery at once; False when it was there. To a disabled endpoint it is only written down."""
    cursor = await connection.execute(
        "INSERT INTO webhook_deliveries"
        " (delivery_id, event_id, endpoint_id, job_id, type, payload, asked, state, ended_at)"
        " SELECT %s, %s, endpoint_id, %s, %s, %s, %s,"
        " CASE state WHEN 'enabled' THEN 'pending' ELSE 'disabled' END, CASE state WHEN 'enabled' THEN NULL ELSE now() END"
        " FROM webhook_endpoints WHERE endpoint_id = %s ON CONFLICT DO NOTHING",
        [
            delivery_id(new.event_id, endpoint),
            new.event_id,
            new.job_id,
            new.type,
            Jsonb(new.payload),
            new.asked,
            endpoint,
        ],
    )
    await announce(connection)
    return cursor.rowcount == 1


# One statement, so that the intent is written with the lease. Candidates are ranked within their endpoint, behind what
# runs there in any process, and then within their tenant, behind what runs in this one: neither a slow endpoint nor a
# tenant with many of them takes more than its share of the places.
_LEASE = """
WITH running AS (
    SELECT endpoint_id, count(*) AS calls FROM webhook_deliveries
    WHERE state = 'pending' AND lease_until > now() GROUP BY endpoint_id
), busy AS (
    SELECT tenant, count(*) AS calls FROM webhook_deliveries JOIN webhook_endpoints USING (endpoint_id)
    WHERE lease_token = ANY(%(own)s) GROUP BY tenant
), due AS (
    SELECT d.delivery_id, d.next_attempt_at, e.tenant,
        row_number() OVER (PARTITION BY d.endpoint_id ORDER BY d.next_attempt_at) + COALESCE(r.calls, 0) AS place
    FROM webhook_deliveries d
    JOIN applied_events a ON a.event_id = d.event_id AND COALESCE(a.asked = d.asked, true)
    JOIN webhook_endpoints e USING (endpoint_id)
    LEFT JOIN running r USING (endpoint_id)
    WHERE d.state = 'pending' AND d.next_attempt_at <= now() AND (d.lease_until IS NULL OR d.lease_until <= now())
        AND d.attempt < %(attempts)s
), ranked AS (
    SELECT delivery_id, next_attempt_at,
        row_number() OVER (PARTITION BY tenant ORDER BY next_attempt_at) + COALESCE(b.calls, 0) AS place
    FROM due LEFT JOIN busy b USING (tenant)
    WHERE due.place <= %(per_endpoint)s
), chosen AS (
    SELECT delivery_id FROM webhook_deliveries
    WHERE delivery_id IN (
        SELECT delivery_id FROM ranked WHERE place <= %(per_tenant)s ORDER BY next_attempt_at LIMIT %(free)s
    )
        AND state = 'pending' AND (lease_until IS NULL OR lease_until <= now())
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE webhook_deliveries d
    SET attempt = attempt + 1, lease_token = gen_random_uuid(), lease_until = now() + make_interval(secs => %(seconds)s)
    FROM chosen WHERE d.delivery_id = chosen.delivery_id
    RETURNING d.*
), intents AS (
    INSERT INTO webhook_attempts (delivery_id, attempt) SELECT delivery_id, attempt FROM leased
)
SELECT leased.delivery_id, endpoint_id, leased.job_id, tenant, url, secret, type, payload, attempt, lease_token, a.error
FROM leased JOIN webhook_endpoints USING (endpoint_id) JOIN applied_events a USING (event_id)"""


async def lease(
    connection: Connection,
    *,
    free: int,
    per_endpoint: int,
    per_tenant: int,
    attempts: int,
    own: Sequence[UUID] = (),
    seconds: float = LEASE_SECONDS,
) -> list[Leased]:
    """Up to `free` due deliveries that were attempted less than `attempts` times; `own` are the leases held here.

    At most `per_endpoint` run at once for any endpoint in all processes, and `per_tenant` for any tenant in this one.
    """
    values = {
        "free": free,
        "per_endpoint": per_endpoint,
        "per_tenant": per_tenant,
        "own": list(own),
        "attempts": attempts,
        "seconds": seconds,
    }
    cursor = await connection.execute(_LEASE, values)
    return [Leased(**row) for row in await cursor.fetchall()]


async def extend(connection: Connection, tokens: Sequence[UUID], seconds: float = LEASE_SECONDS) -> None:
    """Keep the leases of calls that are still running."""
    await connection.execute(
        "UPDATE webhook_deliveries SET lease_until = now() + make_interval(secs => %s) WHERE lease_token = ANY(%s)",
        [seconds, list(tokens)],
    )


async def finish(
    connection: Connection, leased: Leased, outcome: Outcome, state: State, next_attempt_at: datetime | None
) -> bool:
    """Write down how an attempt ended; False, and nothing is changed, when the lease went to another process."""
    cursor = await connection.execute(
        "UPDATE webhook_deliveries d SET next_attempt_at = COALESCE(%(next)s, next_attempt_at),"
        " lease_token = NULL, lease_until = NULL,"
        # the endpoint may have been disabled while this call ran
        " state = CASE WHEN %(pending)s AND e.state = 'disabled' THEN 'disabled' ELSE %(state)s END,"
        " ended_at = CASE WHEN %(pending)s AND e.state = 'enabled' THEN NULL ELSE now() END"
        " FROM webhook_endpoints e WHERE e.endpoint_id = d.endpoint_id"
        " AND d.delivery_id = %(delivery_id)s AND d.lease_token = %(token)s",
        {
            "next": next_attempt_at,
            "state": str(state),
            "pending": state is State.PENDING,
            "delivery_id": leased.delivery_id,
            "token": leased.lease_token,
        },
    )
    if cursor.rowcount == 0:
        return False
    await connection.execute(
        "UPDATE webhook_attempts SET ended_at = now(), outcome = %s, status = %s, error = %s, answer = %s,"
        " latency_ms = %s WHERE delivery_id = %s AND attempt = %s",
        [
            outcome.outcome,
            outcome.status,
            outcome.error,
            outcome.answer,
            outcome.latency_ms,
            leased.delivery_id,
            leased.attempt,
        ],
    )
    return True


async def disable(connection: Connection, endpoint: UUID, reason: str) -> None:
    """Send nothing more to an endpoint; what waits for it ends, calls that run bring themselves to an end."""
    await connection.execute(
        "UPDATE webhook_endpoints SET state = 'disabled', reason = %s WHERE endpoint_id = %s", [reason, endpoint]
    )
    await connection.execute(
        "UPDATE webhook_deliveries SET state = 'disabled', ended_at = now()"
        " WHERE endpoint_id = %s AND state = 'pending' AND (lease_until IS NULL OR lease_until <= now())",
        [endpoint],
    )


async def end_superseded(connection: Connection) -> int:
    """End deliveries that can never be due.

    Their job was erased, is another tenant's or began a later run, or a result of another request under the same job
    id was applied.
    """
    cursor = await connection.execute(
        "UPDATE webhook_deliveries d SET state = 'disabled', ended_at = now()"
        " FROM webhook_endpoints e WHERE e.endpoint_id = d.endpoint_id AND d.state = 'pending'"
        " AND NOT EXISTS (SELECT FROM applied_events a WHERE a.event_id = d.event_id AND COALESCE(a.asked = d.asked, true))"
        " AND (EXISTS (SELECT FROM erased_jobs x WHERE x.job_id = d.job_id)"
        "  OR EXISTS (SELECT FROM applied_events a WHERE a.event_id = d.event_id) OR EXISTS ("
        "   SELECT FROM jobs j WHERE j.job_id = d.job_id"
        "   AND (j.tenant <> e.tenant OR j.run > (d.payload -> 'data' ->> 'run')::integer)))"
    )
    return cursor.rowcount


async def end_spent(connection: Connection, attempts: int) -> int:
    """End deliveries that were leased `attempts` times: whatever keeps their outcomes from being written, it is enough."""
    cursor = await connection.execute(
        "UPDATE webhook_deliveries SET state = 'exhausted', ended_at = now()"
        " WHERE state = 'pending' AND attempt >= %s AND (lease_until IS NULL OR lease_until <= now())",
        [attempts],
    )
    return cursor.rowcount


async def count_gated(connection: Connection, seconds: float = 300) -> int:
    """How many deliveries have waited longer than `seconds` for persist to apply their event."""
    cursor = await connection.execute(
        "SELECT count(*) AS gated FROM webhook_deliveries d WHERE state = 'pending' AND attempt = 0"
        " AND created_at < now() - make_interval(secs => %s)"
        " AND NOT EXISTS (SELECT FROM applied_events a WHERE a.event_id = d.event_id)",
        [seconds],
    )
    row = await cursor.fetchone()
    return int(row["gated"]) if row else 0
