"""The lock under which what happens to one job is decided, whether it has a row or not."""

from uuid import UUID

from sink.postgres import Connection


async def lock(connection: Connection, job_id: UUID) -> None:
    """Let only one transaction at a time decide about a job that may not have a row yet."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [str(job_id)])
