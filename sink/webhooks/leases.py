"""Leases of due webhook deliveries in PostgreSQL: found, leased, extended, and finished.

Attempts are counted when they are leased, so the history holds the intent before any byte is sent; an intent without an
outcome is sent again under the same id. No lease statement reads more rows of an endpoint than may be sent to it at
once, however many wait there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas.webhooks.deliveries import DeliveryState
from sink.postgres.database import Connection
from sink.webhooks.deliveries import LEASE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointQueue:
    """An endpoint with due deliveries: `waiting`, counted up to the requested number, and `running` in any process."""

    endpoint_id: UUID
    tenant: str
    max_per_second: float | None
    tokens: float | None
    tokens_at: datetime | None
    failing: bool
    """Its last attempt failed."""
    running: int
    waiting: int
    due_at: datetime
    """Of the one that has waited longest."""
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseGrant:
    """The number of deliveries that may be leased for an endpoint, and the level of its bucket before that."""

    slots: int
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedDelivery:
    """A delivery leased by this process until the lease runs out; secrets are encrypted."""

    delivery_id: UUID
    endpoint_id: UUID
    job_id: UUID | None
    tenant: str
    url: str
    secret: bytes
    old_secrets: list[bytes]
    """Those that sign along after a rotation."""
    type: str
    payload: dict[str, Any]
    sequence: int | None
    attempt: int
    attempts_before: int
    """Those of them that were made before it was last scheduled."""
    lease_token: UUID
    failing: bool
    trace: str | None = None
    """The traceparent of what it tells of."""
    error: dict[str, Any] | None = None
    """JobError as JSON when the result was applied as a failure, whatever the payload says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome:
    """The outcome of an attempt: the receiver's `status` and `answer`, or the error; latency in milliseconds."""

    outcome: str
    status: int | None = None
    error: str | None = None
    answer: str | None = None
    latency_ms: int | None = None


# One probe of the index an endpoint: the first of its deliveries, then the first of the endpoint after it.
HEADS = """
WITH RECURSIVE heads AS (
    (SELECT endpoint_id, next_attempt_at FROM webhook_deliveries
    WHERE state = 'pending' ORDER BY endpoint_id, next_attempt_at LIMIT 1)
    UNION ALL
    SELECT following.* FROM heads CROSS JOIN LATERAL (
        SELECT endpoint_id, next_attempt_at FROM webhook_deliveries
        WHERE state = 'pending' AND endpoint_id > heads.endpoint_id
        ORDER BY endpoint_id, next_attempt_at LIMIT 1
    ) following
)"""
_ALL_QUEUES = f"{HEADS}, due AS (SELECT endpoint_id FROM heads WHERE next_attempt_at <= now())"  # noqa: S608 - our own words
_SOME_QUEUES = "WITH due AS (SELECT endpoint_id FROM unnest(%(endpoints)s::uuid[]) AS endpoint_id)"
_MAY_BE_LEASED = """state = 'pending' AND next_attempt_at <= now() AND (lease_until IS NULL OR lease_until <= now())
            AND attempt - attempts_before < %(attempts)s"""
_QUEUES = f"""
SELECT e.endpoint_id, e.tenant, e.max_per_second, e.tokens, e.tokens_at, e.failing_since IS NOT NULL AS failing,
    running.calls AS running, waiting.calls AS waiting, waiting.due_at, now() AS now
FROM due JOIN webhook_endpoints e USING (endpoint_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS calls FROM webhook_deliveries
    WHERE endpoint_id = e.endpoint_id AND lease_token IS NOT NULL AND lease_until > now()
) running
CROSS JOIN LATERAL (
    SELECT count(*) AS calls, min(next_attempt_at) AS due_at FROM (
        SELECT next_attempt_at FROM webhook_deliveries
        WHERE endpoint_id = e.endpoint_id AND {_MAY_BE_LEASED}
        ORDER BY next_attempt_at LIMIT %(per_endpoint)s
    ) first
) waiting
WHERE e.state = 'enabled' AND (e.blocked_until IS NULL OR e.blocked_until <= now())
    AND running.calls < %(per_endpoint)s AND waiting.calls > 0
ORDER BY waiting.due_at, e.endpoint_id"""  # noqa: S608 - our own words


async def queues(
    connection: Connection, *, per_endpoint: int, attempts: int, only: Sequence[UUID] | None = None
) -> list[EndpointQueue]:
    """Endpoints with sendable deliveries, the longest waiting first; `only` restricts them to the named ones.

    Deliveries that were leased `attempts` times since they were scheduled do not count.
    """
    values = {"per_endpoint": per_endpoint, "attempts": attempts, "endpoints": list(only or ())}
    cursor = await connection.execute((_ALL_QUEUES if only is None else _SOME_QUEUES) + _QUEUES, values)
    return [EndpointQueue(**row) for row in await cursor.fetchall()]


async def lock_endpoints(connection: Connection, endpoints: Sequence[UUID]) -> list[UUID]:
    """Lock the endpoints that no other dispatcher leases from now, until the transaction ends; returns them."""
    cursor = await connection.execute(
        "SELECT endpoint_id FROM webhook_endpoints WHERE endpoint_id = ANY(%s) FOR NO KEY UPDATE SKIP LOCKED",
        [list(endpoints)],
    )
    return [row["endpoint_id"] for row in await cursor.fetchall()]


# One statement, so that the intent is written with the lease.
_LEASE = f"""
WITH granted AS (
    SELECT * FROM unnest(%(endpoints)s::uuid[], %(slots)s::integer[], %(levels)s::double precision[])
        AS granted (endpoint_id, slots, level)
), chosen AS MATERIALIZED (
    SELECT delivery_id FROM granted CROSS JOIN LATERAL (
        SELECT delivery_id FROM webhook_deliveries
        WHERE endpoint_id = granted.endpoint_id AND {_MAY_BE_LEASED}
        ORDER BY next_attempt_at LIMIT granted.slots FOR UPDATE SKIP LOCKED
    ) first
), leased AS (
    UPDATE webhook_deliveries d
    SET attempt = attempt + 1, lease_token = gen_random_uuid(), lease_until = now() + make_interval(secs => %(seconds)s)
    -- as an array: the planner takes a join with rows of unknown number for a reason to read the whole table
    WHERE d.delivery_id = ANY(ARRAY(SELECT delivery_id FROM chosen))
    RETURNING d.*
), intents AS (
    INSERT INTO webhook_attempts (delivery_id, attempt) SELECT delivery_id, attempt FROM leased
), spent AS (
    UPDATE webhook_endpoints e SET tokens_at = now(),
        tokens = granted.level - (SELECT count(*) FROM leased WHERE leased.endpoint_id = e.endpoint_id)
    FROM granted WHERE granted.endpoint_id = e.endpoint_id
)
SELECT leased.delivery_id, endpoint_id, job_id, e.tenant, url, secret, type, payload, sequence, attempt, attempts_before,
    lease_token, failing_since IS NOT NULL AS failing, trace, error,
    ARRAY(SELECT o.secret FROM webhook_old_secrets o WHERE o.endpoint_id = e.endpoint_id AND o.until > now() ORDER BY o.id)
        AS old_secrets
FROM leased JOIN webhook_endpoints e USING (endpoint_id)
ORDER BY next_attempt_at"""  # noqa: S608 - our own words


async def lease(
    connection: Connection, grants: Mapping[UUID, LeaseGrant], *, attempts: int, seconds: float = LEASE_SECONDS
) -> list[LeasedDelivery]:
    """Lease due deliveries of locked endpoints, as many of each as granted; each counts as an attempt from here on."""
    values = {
        "endpoints": list(grants),
        "slots": [grant.slots for grant in grants.values()],
        "levels": [grant.level for grant in grants.values()],
        "attempts": attempts,
        "seconds": seconds,
    }
    cursor = await connection.execute(_LEASE, values)
    return [LeasedDelivery(**row) for row in await cursor.fetchall()]


async def extend(connection: Connection, tokens: Sequence[UUID], seconds: float = LEASE_SECONDS) -> None:
    """Extend the leases of calls that are in progress."""
    await connection.execute(
        "UPDATE webhook_deliveries SET lease_until = now() + make_interval(secs => %s) WHERE lease_token = ANY(%s)",
        [seconds, list(tokens)],
    )


async def finish(
    connection: Connection,
    leased: LeasedDelivery,
    outcome: DeliveryOutcome,
    state: DeliveryState,
    next_attempt_at: datetime | None,
) -> DeliveryState | None:
    """Record the outcome of an attempt and return the delivery's state; None, unchanged, if the lease was lost."""
    cursor = await connection.execute(
        "UPDATE webhook_deliveries d SET next_attempt_at = COALESCE(%(next)s, next_attempt_at),"
        " lease_token = NULL, lease_until = NULL,"
        # the endpoint may have been disabled while this call ran
        " state = CASE WHEN %(pending)s AND e.state = 'disabled' THEN 'disabled' ELSE %(state)s END,"
        " ended_at = CASE WHEN %(pending)s AND e.state = 'enabled' THEN NULL ELSE now() END"
        " FROM webhook_endpoints e WHERE e.endpoint_id = d.endpoint_id"
        " AND d.delivery_id = %(delivery_id)s AND d.lease_token = %(token)s RETURNING d.state",
        {
            "next": next_attempt_at,
            "state": str(state),
            "pending": state is DeliveryState.PENDING,
            "delivery_id": leased.delivery_id,
            "token": leased.lease_token,
        },
    )
    row = await cursor.fetchone()
    if row is None:
        return None
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
    return DeliveryState(row["state"])
