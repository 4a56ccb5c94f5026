"""Facts in the database about an unfinished job: its outbox row, the jobs queued before it, and its legal holds."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schemas.topics import CONTROL, JOBS, JOBS_EXPRESS
from sink.jobs.queries import JobRow
from sink.postgres.database import Connection

MOST_AHEAD = 1_000  # so many are many, and the rest is not counted
MOST_READ = 5_000  # rows of other queues are among them, and each is read for its priority
JOB_TOPICS = (JOBS, JOBS_EXPRESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpublishedRecord:
    """A record of a job that waits in the outbox, or that Kafka will never accept."""

    topic: str
    created_at: datetime
    failed_at: datetime | None
    failed_reason: str | None

    @property
    def is_job(self) -> bool:
        """Whether the record is the job itself, and not an order about it."""
        return self.topic in JOB_TOPICS

    @property
    def is_order(self) -> bool:
        """Whether the record is the cancellation order."""
        return self.topic == CONTROL


# by the index of what waits
_PENDING = """
SELECT topic, created_at, failed_at, failed_reason FROM outbox
WHERE published_at IS NULL AND failed_at IS NULL AND key = %s ORDER BY id"""
# there is no index of what was refused: for operators only
_ALL = """
SELECT topic, created_at, failed_at, failed_reason FROM outbox
WHERE published_at IS NULL AND key = %s ORDER BY id"""


async def unpublished(connection: Connection, job_id: UUID, *, refused_too: bool) -> tuple[UnpublishedRecord, ...]:
    """The records of a job that are not in Kafka, the oldest first; `refused_too`: read the whole outbox.

    Tenants may not read the outbox, so the connection is the owner's, and the job was found to be the tenant's before.
    """
    cursor = await connection.execute(_ALL if refused_too else _PENDING, [str(job_id).encode()])
    return tuple(UnpublishedRecord(**row) for row in await cursor.fetchall())


_BEFORE = """
SELECT count(*) AS looked_at, count(*) FILTER (WHERE priority = %(priority)s) AS ahead FROM (
    SELECT request ->> 'priority' AS priority FROM jobs
    WHERE tenant = %(tenant)s AND state = 'queued' AND requested_at < %(requested_at)s LIMIT %(looked_at)s) AS before"""


async def queued_before(
    connection: Connection, job: JobRow, most: int = MOST_AHEAD, looked_at: int = MOST_READ
) -> int | None:
    """The number of waiting jobs of the same tenant and queue that were requested before, counted up to `most`.

    None when fewer than `most` are among the `looked_at` rows that are read, and there are more rows.
    """
    values = {"tenant": job.tenant, "requested_at": job.requested_at, "priority": job.request["priority"]}
    row = await (await connection.execute(_BEFORE, {**values, "looked_at": looked_at})).fetchone()
    if row is None or (row["looked_at"] >= looked_at and row["ahead"] < most):
        return None
    return min(int(row["ahead"]), most)


async def state_since(connection: Connection, job: JobRow) -> datetime:
    """The time at which a job entered its current state."""
    cursor = await connection.execute("SELECT max(at) AS at FROM job_events WHERE job_id = %s", [job.job_id])
    row = await cursor.fetchone()
    return row["at"] if row and row["at"] else job.requested_at


async def erased_at(connection: Connection, job_id: UUID) -> datetime | None:
    """The time at which a job was erased, None when it was not, or no record of that exists."""
    cursor = await connection.execute("SELECT erased_at FROM erased_jobs WHERE job_id = %s", [job_id])
    row = await cursor.fetchone()
    return row["erased_at"] if row else None


async def holds_of(connection: Connection, job: JobRow) -> tuple[str, ...]:
    """The reason of each legal hold that prevents the erasure of a job."""
    cursor = await connection.execute(
        "SELECT reason FROM legal_holds WHERE tenant = %s AND (job_id IS NULL OR job_id = %s) ORDER BY set_at",
        [job.tenant, job.job_id],
    )
    return tuple(row["reason"] for row in await cursor.fetchall())
