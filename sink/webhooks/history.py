"""Delivery history of webhooks: every delivery with its attempts, listed for its tenant, and redelivered on request."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas.webhooks.deliveries import DeliveryState
from sink.postgres.database import Connection
from sink.webhooks.deliveries import announce

Place = tuple[datetime, UUID]
"""Creation time and id of a delivery, by which all lists are ordered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """A delivery; `attempts` were begun, `status`, `outcome` and `error` are those of the last one."""

    delivery_id: UUID
    endpoint_id: UUID
    tenant: str
    url: str
    event_id: UUID
    job_id: UUID | None
    type: str
    sequence: int | None
    state: DeliveryState
    attempts: int
    outcome: str | None
    status: int | None
    error: str | None
    created_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    cleared_at: datetime | None
    """When what it said was deleted, since its time was over."""
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt; without `ended_at` it runs or its end is unknown. `answer`: the beginning of the response."""

    attempt: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    status: int | None
    latency_ms: int | None
    error: str | None
    answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Filter over deliveries; None restricts nothing. `before`: creation time and id of the last one already seen."""

    tenant: str | None = None
    endpoint_id: UUID | None = None
    job_id: UUID | None = None
    state: DeliveryState | None = None
    since: datetime | None = None
    before: Place | None = None


@dataclass(frozen=True, slots=True)
class RedeliveryPage:
    """The number of redelivered deliveries, and the cursor after which there may be more."""

    number: int
    more_after: Place | None


_COLUMNS = """
SELECT d.delivery_id, d.endpoint_id, e.tenant, e.url, d.event_id, d.job_id, d.type, d.sequence, d.state,
    d.attempt AS attempts, a.outcome, a.status, a.error, d.created_at,
    CASE WHEN d.state = 'pending' AND d.lease_token IS NULL THEN d.next_attempt_at END AS next_attempt_at,
    d.ended_at, d.cleared_at, d.payload
FROM webhook_endpoints e """
_LAST_ATTEMPT = " LEFT JOIN webhook_attempts a ON a.delivery_id = d.delivery_id AND a.attempt = d.attempt "
_ORDER = " ORDER BY d.created_at DESC, d.delivery_id DESC LIMIT %(limit)s"


async def list_deliveries(connection: Connection, wanted: DeliveryFilter, limit: int) -> list[WebhookDelivery]:
    """The newest deliveries first; of each endpoint at most one page is read, however many it has."""
    conditions = ["d.endpoint_id = e.endpoint_id"]
    if wanted.job_id is not None:
        conditions.append("d.job_id = %(job_id)s")
    if wanted.state is not None:  # as a literal, so that an index of some states can be used
        conditions.append(f"d.state = '{wanted.state.value}'")
    if wanted.since is not None:
        conditions.append("d.created_at >= %(since)s")
    if wanted.before is not None:
        conditions.append("(d.created_at, d.delivery_id) < (%(before_at)s, %(before_id)s)")
    rows = f"SELECT * FROM webhook_deliveries d WHERE {' AND '.join(conditions)}"  # noqa: S608 - our own words
    # a job has few deliveries, and ordering them first would mean to look for them among all
    inner = rows + (_ORDER if wanted.job_id is None else "")
    query = (
        f"{_COLUMNS} CROSS JOIN LATERAL ({inner}) d {_LAST_ATTEMPT}"
        " WHERE (%(tenant)s::text IS NULL OR e.tenant = %(tenant)s)"
        f" AND (%(endpoint_id)s::uuid IS NULL OR e.endpoint_id = %(endpoint_id)s) {_ORDER}"
    )
    values = {
        "tenant": wanted.tenant,
        "endpoint_id": wanted.endpoint_id,
        "job_id": wanted.job_id,
        "since": wanted.since,
        "before_at": wanted.before and wanted.before[0],
        "before_id": wanted.before and wanted.before[1],
        "limit": limit,
    }
    return [_delivery(row) for row in await (await connection.execute(query, values)).fetchall()]


async def find_delivery(connection: Connection, delivery: UUID, tenant: str | None = None) -> WebhookDelivery | None:
    """A delivery, restricted to a tenant if given; None for a delivery of another tenant."""
    query = (
        f"{_COLUMNS} JOIN webhook_deliveries d USING (endpoint_id) {_LAST_ATTEMPT}"
        " WHERE d.delivery_id = %(id)s AND (%(tenant)s::text IS NULL OR e.tenant = %(tenant)s)"
    )
    row = await (await connection.execute(query, {"id": delivery, "tenant": tenant})).fetchone()
    return None if row is None else _delivery(row)


async def attempts_of(connection: Connection, delivery: UUID) -> list[Attempt]:
    """Every attempt, the first one first."""
    cursor = await connection.execute(
        "SELECT attempt, started_at, ended_at, outcome, status, latency_ms, error, answer FROM webhook_attempts"
        " WHERE delivery_id = %s ORDER BY attempt",
        [delivery],
    )
    return [Attempt(**row) for row in await cursor.fetchall()]


_ONE = """
WITH chosen AS MATERIALIZED (
    SELECT d.delivery_id, 0 AS behind FROM webhook_deliveries d JOIN webhook_endpoints e USING (endpoint_id)
    WHERE d.delivery_id = %(delivery)s AND e.state = 'enabled' AND d.cleared_at IS NULL AND (d.lease_until IS NULL OR d.lease_until <= now())
    FOR UPDATE OF d
)"""
_OLD = """
WITH old AS MATERIALIZED (
    SELECT delivery_id, created_at FROM webhook_deliveries
    WHERE endpoint_id = %(endpoint)s AND (created_at, delivery_id) > (%(at)s, %(id)s) AND state IN ('exhausted', 'disabled'{delivered})
        AND cleared_at IS NULL
    ORDER BY created_at, delivery_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)"""
_FAILED, _ENDED = _OLD.format(delivered=""), _OLD.format(delivered=", 'delivered'")
_IN_ORDER = """, chosen AS MATERIALIZED (
    SELECT delivery_id, count(*) OVER () - row_number() OVER (ORDER BY created_at, delivery_id) AS behind FROM old
)"""
# A delivery that was never released stays without a time: redelivery opens no gate. Microseconds keep the order.
_AGAIN = """
UPDATE webhook_deliveries d SET state = 'pending', ended_at = NULL, attempts_before = attempt,
    next_attempt_at = CASE WHEN next_attempt_at IS NOT NULL THEN now() - chosen.behind * interval '1 microsecond' END
FROM chosen WHERE d.delivery_id = chosen.delivery_id"""
_COUNTED = f""", again AS ({_AGAIN} RETURNING d.delivery_id)
SELECT sent.calls, last.created_at, last.delivery_id FROM (SELECT count(*) AS calls FROM again) AS sent
LEFT JOIN (SELECT created_at, delivery_id FROM old ORDER BY created_at, delivery_id OFFSET %(limit)s - 1) AS last ON true"""  # noqa: S608 - our own words


async def redeliver(connection: Connection, delivery: UUID) -> bool:
    """Redeliver under the same id with a new schedule; False while it is being sent or if its endpoint is disabled."""
    cursor = await connection.execute(_ONE + _AGAIN, {"delivery": delivery})
    await announce(connection)
    return cursor.rowcount == 1


async def redeliver_since(
    connection: Connection,
    endpoint: UUID,
    since: datetime,
    *,
    limit: int,
    after: Place | None = None,
    only_failed: bool = True,
) -> RedeliveryPage:
    """Redeliver the ended deliveries of an endpoint that were scheduled `since`, oldest first, `limit` at most.

    `after`: continue after the cursor of the call before. With `only_failed` only those that were never delivered.
    Deliveries whose payload is deleted are skipped.
    """
    at, last_id = after or (since, UUID(int=0))
    values = {"endpoint": endpoint, "at": at, "id": last_id, "limit": limit}
    cursor = await connection.execute((_FAILED if only_failed else _ENDED) + _IN_ORDER + _COUNTED, values)
    row = await cursor.fetchone()
    if row is None:
        raise AssertionError("unreachable: the query always has one row")
    await announce(connection)
    return RedeliveryPage(row["calls"], row["created_at"] and (row["created_at"], row["delivery_id"]))


def _delivery(row: dict[str, Any]) -> WebhookDelivery:
    return WebhookDelivery(**{**row, "state": DeliveryState(row["state"])})
