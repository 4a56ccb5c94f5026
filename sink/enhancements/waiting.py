"""Wait reasons of enhanced-AI calls: one rule over a few facts per call, used for single jobs and for totals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas.process.wait_reasons import WaitReason
from sink.postgres.database import Connection
from sink.webhooks.deliveries import MOST_COUNTED


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGates:
    """The current state of the gates between a pending call and the enhanced-AI service."""

    ungated: bool
    """It has a time: its job has ended."""
    leased: bool
    early: bool
    """The time of its next attempt is to come."""
    attempted: bool
    """An attempt that counted has failed."""
    until_midnight: bool
    """That time is the beginning of the next day, in UTC."""


def reason_of(gates: CallGates) -> WaitReason:
    """The gate that holds an unfinished call."""
    if gates.leased:
        return WaitReason.LEASE_HELD
    if not gates.ungated:
        return WaitReason.ENHANCEMENT_GATE
    if not gates.early:
        return WaitReason.ENHANCEMENT_DUE
    # the dispatcher puts a call off to midnight for no other reason
    if gates.until_midnight:
        return WaitReason.TOKENS_SPENT
    return WaitReason.ENHANCEMENT_RETRY if gates.attempted else WaitReason.ENHANCED_AI_AWAY


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCall:
    """A waiting call: the gate that holds it, its creation time, and the time of its next attempt where known."""

    enhancement_id: UUID
    reason: WaitReason
    attempts: int
    created_at: datetime
    next_at: datetime | None


_GATES = """c.next_attempt_at IS NOT NULL AS ungated, COALESCE(c.lease_until > now(), false) AS leased,
    COALESCE(c.next_attempt_at > now(), false) AS early, c.attempt > 0 AS attempted,
    COALESCE(c.next_attempt_at AT TIME ZONE 'UTC' = date_trunc('day', now() AT TIME ZONE 'UTC') + interval '1 day', false)
        AS until_midnight"""
_OF_JOB = f"""
SELECT {_GATES}, c.enhancement_id, c.attempt AS attempts, c.created_at,
    CASE WHEN c.lease_until > now() THEN c.lease_until ELSE c.next_attempt_at END AS next_at
FROM enhancement_calls c WHERE c.job_id = %s AND c.state = 'pending' AND c.cleared_at IS NULL
ORDER BY c.created_at, c.enhancement_id"""  # noqa: S608 - our own words
# in the order of the index, so that a count ends where it has enough
_COUNTS = f"""
WITH c AS (
    SELECT next_attempt_at, lease_until, attempt, created_at FROM enhancement_calls
    WHERE state = 'pending' ORDER BY tenant, next_attempt_at LIMIT %s
)
SELECT {_GATES}, count(*) AS calls, extract(epoch FROM now() - min(c.created_at))::float8 AS oldest_seconds
FROM c GROUP BY 1, 2, 3, 4, 5"""  # noqa: S608 - our own words


async def held_calls(connection: Connection, job_id: UUID) -> tuple[HeldCall, ...]:
    """The unfinished calls of a job, the oldest first."""
    rows = await (await connection.execute(_OF_JOB, [job_id])).fetchall()
    names = ("enhancement_id", "attempts", "created_at", "next_at")
    return tuple(HeldCall(**{name: row[name] for name in names}, reason=reason_of(_gates(row))) for row in rows)


async def count_held(connection: Connection, most: int = MOST_COUNTED) -> dict[WaitReason, tuple[int, float]]:
    """The number of calls held by each gate, and the age of the oldest in seconds; at most `most` are examined."""
    found: dict[WaitReason, tuple[int, float]] = {}
    for row in await (await connection.execute(_COUNTS, [most])).fetchall():
        reason = reason_of(_gates(row))
        number, oldest = found.get(reason, (0, 0.0))
        found[reason] = number + row["calls"], max(oldest, row["oldest_seconds"])
    return found


def _gates(row: Mapping[str, Any]) -> CallGates:
    return CallGates(**{name: row[name] for name in CallGates.__dataclass_fields__})
