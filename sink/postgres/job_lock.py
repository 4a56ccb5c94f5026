"""The lock that serializes all decisions about one job, with or without a row; scribe_accept_job() takes it too."""

from collections.abc import Sequence
from uuid import UUID

from sink.postgres.advisory_locks import KeyedLock
from sink.postgres.database import Connection

# the inner query sorts before the outer one locks
_LOCK = f"""
SELECT pg_advisory_xact_lock(key) FROM (
    SELECT DISTINCT {KeyedLock.JOB.key("job_id")} AS key FROM unnest(%s::text[]) AS asked (job_id) ORDER BY key
) AS keys"""  # noqa: S608 - our own words


async def lock(connection: Connection, job_id: UUID) -> None:
    """Lock a job, which may have no row yet, so that only one transaction at a time decides about it."""
    await lock_all(connection, [job_id])


async def lock_all(connection: Connection, job_ids: Sequence[UUID]) -> None:
    """Lock many jobs, always in the same order, so that no two transactions wait for each other."""
    await connection.execute(_LOCK, [[str(job_id) for job_id in job_ids]])
