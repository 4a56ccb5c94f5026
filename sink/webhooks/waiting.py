"""Wait reasons of webhook deliveries: one rule over a few facts per delivery, used for single jobs and for totals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas.process.wait_reasons import WaitReason
from schemas.webhooks.deliveries import DeliveryState
from sink.postgres.database import Connection
from sink.webhooks.deliveries import MOST_COUNTED


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryGates:
    """The current state of the gates between a delivery and its receiver."""

    state: DeliveryState
    ungated: bool
    """It has a time: its result can be read."""
    leased: bool
    disabled: bool
    """Of the endpoint."""
    paused: bool
    """The endpoint asked for that."""
    early: bool
    """The time of its next attempt is to come."""


def reason_of(gates: DeliveryGates) -> WaitReason | None:
    """The gate that holds a delivery; None for an ended one, unless its endpoint is still disabled."""
    if gates.state is DeliveryState.DISABLED:
        return WaitReason.ENDPOINT_DISABLED if gates.disabled else None
    if gates.state is not DeliveryState.PENDING:
        return None
    if gates.leased:
        return WaitReason.LEASE_HELD
    if gates.disabled:
        return WaitReason.ENDPOINT_DISABLED
    if not gates.ungated:
        return WaitReason.WEBHOOK_GATE
    if gates.paused:
        return WaitReason.ENDPOINT_PAUSED
    return WaitReason.WEBHOOK_RETRY if gates.early else WaitReason.WEBHOOK_DUE


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDelivery:
    """A waiting delivery: the gate that holds it, its creation time, and the time of its next attempt where known."""

    delivery_id: UUID
    type: str
    url: str
    reason: WaitReason
    attempts: int
    created_at: datetime
    next_at: datetime | None
    endpoint_reason: str | None
    """Why its endpoint is disabled."""


# The same facts of each, whatever is asked about them.
_GATES = """d.state, d.next_attempt_at IS NOT NULL AS ungated, COALESCE(d.lease_until > now(), false) AS leased,
    e.state = 'disabled' AS disabled, COALESCE(e.blocked_until > now(), false) AS paused,
    COALESCE(d.next_attempt_at > now(), false) AS early"""
_OF_JOB = f"""
SELECT {_GATES}, d.delivery_id, d.type, e.url, d.attempt AS attempts, d.created_at, e.reason AS endpoint_reason,
    CASE WHEN d.lease_until > now() THEN d.lease_until ELSE GREATEST(d.next_attempt_at, e.blocked_until) END AS next_at
FROM webhook_deliveries d JOIN webhook_endpoints e USING (endpoint_id)
WHERE d.job_id = %s AND d.state IN ('pending', 'disabled') ORDER BY d.created_at, d.delivery_id"""  # noqa: S608 - our own words
# in the order of the index, so that a count ends where it has enough
_COUNTS = f"""
WITH d AS (
    SELECT endpoint_id, state, next_attempt_at, lease_until, created_at FROM webhook_deliveries
    WHERE state = 'pending' ORDER BY endpoint_id, next_attempt_at LIMIT %s
)
SELECT {_GATES}, count(*) AS deliveries, extract(epoch FROM now() - min(d.created_at))::float8 AS oldest_seconds
FROM d JOIN webhook_endpoints e USING (endpoint_id) GROUP BY 1, 2, 3, 4, 5, 6"""  # noqa: S608 - our own words


async def held_deliveries(connection: Connection, job_id: UUID) -> tuple[HeldDelivery, ...]:
    """The waiting deliveries of a job, and those ended for a disabled endpoint; the oldest first."""
    rows = await (await connection.execute(_OF_JOB, [job_id])).fetchall()
    return tuple(held for row in rows if (held := _held(row)) is not None)


async def count_held(connection: Connection, most: int = MOST_COUNTED) -> dict[WaitReason, tuple[int, float]]:
    """The number of deliveries held by each gate, and the age of the oldest in seconds; at most `most` are examined."""
    found: dict[WaitReason, tuple[int, float]] = {}
    for row in await (await connection.execute(_COUNTS, [most])).fetchall():
        if (reason := reason_of(_gates(row))) is not None:
            number, oldest = found.get(reason, (0, 0.0))
            found[reason] = number + row["deliveries"], max(oldest, row["oldest_seconds"])
    return found


def _held(row: Mapping[str, Any]) -> HeldDelivery | None:
    gates = _gates(row)
    reason = reason_of(gates)
    if reason is None:
        return None
    values = {name: row[name] for name in ("delivery_id", "type", "url", "attempts", "created_at", "endpoint_reason")}
    # a gate that opens by an event, and a receiver that nobody calls, have no time
    timeless = reason in (WaitReason.WEBHOOK_GATE, WaitReason.ENDPOINT_DISABLED)
    return HeldDelivery(**values, reason=reason, next_at=None if timeless else row["next_at"])


def _gates(row: Mapping[str, Any]) -> DeliveryGates:
    names = ("ungated", "leased", "disabled", "paused", "early")
    return DeliveryGates(state=DeliveryState(row["state"]), **{name: row[name] for name in names})
