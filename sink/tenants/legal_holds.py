"""Legal holds: data under a hold are neither expired nor erased, from the moment that the hold is set."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from schemas.errors import Permanent
from sink.postgres.advisory_locks import SingleLock
from sink.postgres.database import Connection, translated

HAS_LEGAL_HOLD = """EXISTS (
    SELECT FROM legal_holds h WHERE h.tenant = {0}.tenant AND (h.job_id IS NULL OR h.job_id = {0}.job_id))"""
"""Whether a row with tenant and job_id is held."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold on one job of a tenant, or on all its data when `job_id` is None, with its reason."""

    tenant: str
    job_id: UUID | None
    reason: str
    set_at: datetime


async def block_new_holds(connection: Connection) -> None:
    """Block new holds until the end of this transaction, which deletes data that are not held."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", [SingleLock.HOLDS])


@asynccontextmanager
async def holds_blocked(session: Connection) -> AsyncIterator[None]:
    """Block new holds around work outside a transaction, on a connection of its own."""
    with translated():
        await session.execute("SELECT pg_advisory_lock_shared(%s)", [SingleLock.HOLDS])
    try:
        yield
    finally:
        if not session.closed:  # else the server has let go of it
            with translated():
                await session.execute("SELECT pg_advisory_unlock_shared(%s)", [SingleLock.HOLDS])


_KNOWN = " UNION ALL ".join(
    f"(SELECT FROM {table} WHERE tenant = %(tenant)s LIMIT 1)"
    for table in ("jobs", "api_keys", "tenant_policies", "webhook_endpoints", "erased_jobs")
)


async def set_hold(
    connection: Connection, tenant: str, job_id: UUID | None, reason: str, *, unknown_too: bool = False
) -> Hold:
    """Hold a job, or all data of a tenant; an existing hold gets the new reason.

    Raises Permanent(not_found) for a job that is not the tenant's, and for an unknown tenant unless `unknown_too`,
    since that is more often a typing error than a future tenant.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [SingleLock.HOLDS])
    if job_id is None and not unknown_too and (await connection.execute(_KNOWN, {"tenant": tenant})).rowcount == 0:
        raise Permanent("not_found", f"nothing is known of a tenant {tenant}")
    if job_id is not None:
        cursor = await connection.execute("SELECT FROM jobs WHERE job_id = %s AND tenant = %s", [job_id, tenant])
        if cursor.rowcount == 0:
            raise Permanent("not_found", f"job {job_id} of tenant {tenant}")
    async with connection.cursor(row_factory=class_row(Hold)) as found:
        await found.execute(
            "INSERT INTO legal_holds (tenant, job_id, reason) VALUES (%s, %s, %s)"
            " ON CONFLICT (tenant, job_id) DO UPDATE SET reason = EXCLUDED.reason"
            " RETURNING tenant, job_id, reason, set_at",
            [tenant, job_id, reason],
        )
        hold = await found.fetchone()
    if hold is None:
        raise AssertionError("unreachable: the statement returns the row")
    return hold


async def release_hold(connection: Connection, tenant: str, job_id: UUID | None) -> bool:
    """End a hold; False when there was none."""
    cursor = await connection.execute(
        "DELETE FROM legal_holds WHERE tenant = %s AND job_id IS NOT DISTINCT FROM %s", [tenant, job_id]
    )
    return cursor.rowcount == 1


async def list_holds(connection: Connection, tenant: str | None = None) -> tuple[Hold, ...]:
    """Every hold, or those of one tenant, oldest first."""
    async with connection.cursor(row_factory=class_row(Hold)) as cursor:
        await cursor.execute(
            "SELECT tenant, job_id, reason, set_at FROM legal_holds"
            " WHERE %(tenant)s::text IS NULL OR tenant = %(tenant)s ORDER BY set_at, tenant, job_id",
            {"tenant": tenant},
        )
        return tuple(await cursor.fetchall())


async def hold_on(connection: Connection, tenant: str, job_id: UUID) -> Hold | None:
    """The hold that prevents the deletion of a job, None when there is none; the tenant's hold takes precedence."""
    async with connection.cursor(row_factory=class_row(Hold)) as cursor:
        await cursor.execute(
            "SELECT tenant, job_id, reason, set_at FROM legal_holds"
            " WHERE tenant = %s AND (job_id IS NULL OR job_id = %s) ORDER BY job_id NULLS FIRST",
            [tenant, job_id],
        )
        return await cursor.fetchone()
