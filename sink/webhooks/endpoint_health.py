"""Health of webhook endpoints: failing and disabled ones, deliveries that can never become due, and counts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schemas import metrics
from schemas.webhooks.deliveries import DeliveryState
from sink.postgres.database import Connection
from sink.webhooks.deliveries import MOST_COUNTED
from sink.webhooks.leases import HEADS

BATCH = 50_000  # deliveries that one statement may end


async def note_success(connection: Connection, endpoint: UUID) -> None:
    """Note a successful attempt: the endpoint counts as healthy again."""
    await connection.execute(
        "UPDATE webhook_endpoints SET failing_since = NULL WHERE endpoint_id = %s AND failing_since IS NOT NULL",
        [endpoint],
    )


async def note_failure(
    connection: Connection, endpoint: UUID, now: datetime, blocked_until: datetime | None
) -> datetime:
    """Note a failed attempt, block the endpoint until `blocked_until`; returns the first failure since a success."""
    cursor = await connection.execute("SELECT failing_since FROM webhook_endpoints WHERE endpoint_id = %s", [endpoint])
    row = await cursor.fetchone()
    since: datetime | None = row["failing_since"] if row else now
    if since is None or blocked_until is not None:  # else the row, which dispatchers lock to lease, is left alone
        await connection.execute(
            "UPDATE webhook_endpoints SET failing_since = COALESCE(failing_since, %s),"
            " blocked_until = GREATEST(blocked_until, %s) WHERE endpoint_id = %s",
            [now, blocked_until, endpoint],
        )
    return since or now


async def disable(connection: Connection, endpoint: UUID, reason: str) -> bool:
    """Disable an endpoint; False when it was disabled before.

    Its pending deliveries end here or in `end_disabled`; calls in progress end by themselves.
    """
    cursor = await connection.execute(
        "UPDATE webhook_endpoints SET state = 'disabled', reason = %s, disabled_at = now()"
        " WHERE endpoint_id = %s AND state = 'enabled'",
        [reason, endpoint],
    )
    await end_disabled(connection, endpoint, limit=1000)
    return cursor.rowcount == 1


_END_DISABLED = """
WITH waiting AS MATERIALIZED (
    SELECT delivery_id FROM webhook_endpoints e CROSS JOIN LATERAL (
        SELECT delivery_id FROM webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id AND d.state = 'pending'
            AND (d.lease_until IS NULL OR d.lease_until <= now())
        LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) waiting
    WHERE e.state = 'disabled' AND (%(endpoint)s::uuid IS NULL OR e.endpoint_id = %(endpoint)s) LIMIT %(limit)s
)
UPDATE webhook_deliveries d SET state = 'disabled', ended_at = now()
FROM waiting WHERE d.delivery_id = waiting.delivery_id"""


async def end_disabled(connection: Connection, endpoint: UUID | None = None, *, limit: int = BATCH) -> int:
    """End deliveries that wait for disabled or formerly disabled endpoints, in batches: there may be a million."""
    cursor = await connection.execute(_END_DISABLED, {"endpoint": endpoint, "limit": limit})
    return _counted(DeliveryState.DISABLED, cursor.rowcount)


# A gated delivery waits for persist, which takes the results of a job's current run and the enhancements of their last run.
_END_SUPERSEDED = """
UPDATE webhook_deliveries d SET state = 'disabled', ended_at = now()
FROM webhook_endpoints e WHERE e.endpoint_id = d.endpoint_id AND d.state = 'pending' AND d.next_attempt_at IS NULL
AND NOT EXISTS (SELECT FROM applied_events a WHERE a.event_id = d.event_id AND COALESCE(a.asked = d.asked, true))
AND (
    EXISTS (SELECT FROM erased_jobs x WHERE x.job_id = d.job_id)
    OR EXISTS (
        SELECT FROM jobs j WHERE j.job_id = d.job_id AND j.tenant = e.tenant
            AND d.type LIKE 'job.%%' AND j.run > (d.payload -> 'data' ->> 'run')::integer
    )
    OR EXISTS (SELECT FROM jobs j WHERE j.job_id = d.job_id AND j.tenant <> e.tenant AND d.type NOT LIKE 'job.%%')
    OR EXISTS (
        SELECT FROM enhancements x WHERE d.type LIKE 'enhancement.%%'
            AND x.enhancement_id = (d.payload -> 'data' ->> 'enhancement_id')::uuid
            AND x.run > (d.payload -> 'data' ->> 'run')::integer
    )
)"""


async def end_superseded(connection: Connection) -> int:
    """End deliveries that can never become due.

    Their job was erased or began a later run, or their enhancement has a later one or is of another tenant's job.
    """
    return _counted(DeliveryState.DISABLED, (await connection.execute(_END_SUPERSEDED, {})).rowcount)


async def exhaust_overleased(connection: Connection, attempts: int) -> int:
    """End deliveries that were leased `attempts` times without a recorded outcome."""
    cursor = await connection.execute(
        "UPDATE webhook_deliveries SET state = 'exhausted', ended_at = now()"
        " WHERE state = 'pending' AND lease_token IS NOT NULL AND attempt - attempts_before >= %s AND lease_until <= now()",
        [attempts],
    )
    return _counted(DeliveryState.EXHAUSTED, cursor.rowcount)


async def forget_old_secrets(connection: Connection) -> int:
    """Delete secrets whose overlap has ended; they sign nothing any more."""
    return (await connection.execute("DELETE FROM webhook_old_secrets WHERE until <= now()")).rowcount


def _counted(state: DeliveryState, ended: int) -> int:
    metrics.WEBHOOKS_ENDED.labels(state=state).inc(ended)
    return ended


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryBacklog:
    """Counts of pending and gated deliveries and disabled endpoints, up to a limit, and the longest time due."""

    pending: int
    gated: int
    """Those of the pending that have waited long for persist to apply their event."""
    disabled_endpoints: int
    oldest_due_seconds: float
    """How long the longest waiting delivery of an enabled endpoint is due, 0 when none is."""


# Orders are those of indexes, so that a count ends where it has enough; of those that are due one is read an endpoint.
_BACKLOG = f"""
{HEADS}
SELECT
    (SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE state = 'pending'
        ORDER BY endpoint_id, next_attempt_at LIMIT %(most)s) AS some_of_them) AS pending,
    (SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE state = 'pending' AND next_attempt_at IS NULL
        AND created_at < now() - make_interval(secs => %(gated_seconds)s)
        ORDER BY event_id LIMIT %(most)s) AS some_of_them) AS gated,
    (SELECT count(*) FROM (SELECT FROM webhook_endpoints WHERE state = 'disabled'
        ORDER BY endpoint_id LIMIT %(most)s) AS some_of_them) AS disabled_endpoints,
    (SELECT COALESCE(greatest(extract(epoch FROM now() - min(heads.next_attempt_at)), 0), 0)::float8
        FROM heads JOIN webhook_endpoints e USING (endpoint_id) WHERE e.state = 'enabled') AS oldest_due_seconds"""  # noqa: S608 - our own words


async def backlog(connection: Connection, gated_seconds: float = 300, most: int = MOST_COUNTED) -> DeliveryBacklog:
    """The backlog of deliveries, counted up to `most`; a gated one is late after `gated_seconds`."""
    row = await (await connection.execute(_BACKLOG, {"gated_seconds": gated_seconds, "most": most})).fetchone()
    if row is None:
        raise AssertionError("unreachable: the query always has one row")
    return DeliveryBacklog(**row)
