"""Cancellation of a job: a mark on its row and an order for the GPU processes, in one transaction."""

from datetime import datetime
from uuid import UUID

from schemas.wire.records import Record
from sink.jobs import outbox
from sink.jobs.states import ENDED_STATES
from sink.postgres.database import Connection
from sink.postgres.job_lock import lock

_MARK = f"""
UPDATE jobs SET cancelled_run = %(run)s, cancel_requested_at = %(now)s
WHERE job_id = %(job_id)s AND tenant = %(tenant)s AND cancelled_run < %(run)s
    AND state NOT IN {ENDED_STATES}"""  # noqa: S608 - our own words


async def cancel(connection: Connection, tenant: str, job_id: UUID, run: int, order: Record, now: datetime) -> bool:
    """Request cancellation of a tenant's job, up to a run; False when it has ended, or was cancelled before."""
    await lock(connection, job_id)
    values = {"job_id": job_id, "tenant": tenant, "run": run, "now": now}
    if (await connection.execute(_MARK, values)).rowcount == 0:
        return False
    await outbox.add(connection, order)
    return True
