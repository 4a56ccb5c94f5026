"""Expired data, found and deleted in batches; each function runs the statements of one transaction.

A job's days count from its end by the database's clock: `completed_at` comes from events, `updated_at` does not. A job
that never ended expires when it was abandoned. Data under a legal hold are skipped.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import sql

from schemas.errors import Poison
from schemas.events import TenantPolicy
from schemas.tenants.retention import abandoned
from schemas.wire.serde import event_from_json
from sink.postgres.advisory_locks import KeyedLock
from sink.postgres.database import Connection
from sink.retention.erasure import forget
from sink.tenants.legal_holds import HAS_LEGAL_HOLD, block_new_holds

log = logging.getLogger(__name__)
AUDIO, ARTIFACTS = "audio", "artifacts"

# One arm for each index: ended jobs, those whose end lies in the future, those without one.
_DUE = """
SELECT job_id FROM (
    (SELECT job_id FROM jobs j WHERE tenant = %(tenant)s AND completed_at < %(cutoff)s AND updated_at < %(cutoff)s
        AND {still} AND NOT {held} ORDER BY completed_at LIMIT %(limit)s)
    UNION ALL
    (SELECT job_id FROM jobs j WHERE tenant = %(tenant)s AND completed_at > now() AND updated_at < %(cutoff)s
        AND {still} AND NOT {held} ORDER BY completed_at LIMIT %(limit)s)
    UNION ALL
    (SELECT job_id FROM jobs j WHERE tenant = %(tenant)s AND completed_at IS NULL AND updated_at < %(abandoned)s
        AND {still} AND NOT {held} LIMIT %(limit)s)
) AS due LIMIT %(limit)s"""


def _due(still: str = "true") -> str:
    return _DUE.format(still=still, held=HAS_LEGAL_HOLD.format("j"))


@dataclass(frozen=True, slots=True)
class ExpiredObjects:
    """A job with one kind of expired objects; `upload` when no other job needs its recording."""

    job_id: UUID
    run: int
    upload: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """The number of items found, and the number of rows deleted or emptied for them."""

    found: int
    rows: int


# Each name by one step in an index, however many rows it has.
_OWNERS = """
{0} AS (
    (SELECT tenant FROM {1} ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT t.tenant FROM {1} t WHERE t.tenant > {0}.tenant ORDER BY t.tenant LIMIT 1)
    FROM {0} WHERE {0}.tenant IS NOT NULL
)"""
_OWNING = {"of_jobs": "jobs", "of_calls": "enhancement_calls", "of_enhancements": "enhancements"}
_TENANTS = """
WITH RECURSIVE {owners}, everybody AS (
    SELECT tenant FROM webhook_endpoints UNION SELECT tenant FROM of_jobs
    UNION SELECT tenant FROM of_calls UNION SELECT tenant FROM of_enhancements
)
SELECT e.tenant, p.policy FROM everybody e LEFT JOIN tenant_policies p USING (tenant)
WHERE e.tenant IS NOT NULL AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.tenant = e.tenant AND h.job_id IS NULL)
ORDER BY e.tenant""".format(owners=", ".join(_OWNERS.format(*item) for item in _OWNING.items()))  # noqa: S608 - our own names


async def tenants(connection: Connection) -> dict[str, TenantPolicy | None]:
    """Every tenant that may have expired data, with its policy.

    Tenants that are held as a whole are left out, and so are tenants with an unreadable policy: its choice is unknown.
    """
    found: dict[str, TenantPolicy | None] = {}
    for row in await (await connection.execute(_TENANTS)).fetchall():
        try:
            found[row["tenant"]] = row["policy"] and event_from_json(row["policy"], TenantPolicy)
        except Poison as error:
            log.error("nothing of tenant %s is swept, its policy cannot be read: %s", row["tenant"], error)
    return found


async def expire_jobs(connection: Connection, tenant: str, cutoff: datetime, now: datetime, limit: int) -> Batch:
    """Delete jobs that have expired as a whole."""
    await block_new_holds(connection)
    values = _values(tenant, cutoff, limit)
    found = await _ids(connection, _due(), values)
    # whoever holds a job's lock decides about it, and waiting while holding others' locks could be for ever
    free = await _ids(
        connection,
        "SELECT job_id FROM unnest(%(ids)s::uuid[]) AS asked (job_id)"  # noqa: S608 - our own words
        f" WHERE pg_try_advisory_xact_lock({KeyedLock.JOB.key('job_id::text')})",
        {"ids": found},
    )
    still = await _still(connection, free, cutoff)
    rows = await forget(connection, still, now, asked=False) if still else {}
    return Batch(len(still), sum(rows.values()))


async def _still(connection: Connection, job_ids: Sequence[UUID], cutoff: datetime) -> list[UUID]:
    """The jobs that are still expired under their locks: a later run may have begun since they were found."""
    query = "SELECT job_id FROM jobs WHERE job_id = ANY(%(ids)s) AND updated_at < %(cutoff)s ORDER BY job_id FOR UPDATE"
    return await _ids(connection, query, {"ids": list(job_ids), "cutoff": cutoff})


_OVER = """
SELECT job_id, run, CASE WHEN NOT EXISTS (
    SELECT FROM jobs o WHERE o.tenant = j.tenant AND scribe_upload(o.request) = scribe_upload(j.request)
        AND o.audio_gone < o.run
        AND (o.completed_at IS NULL OR o.updated_at >= %(cutoff)s OR {held_other})
) THEN scribe_upload(request) END AS upload
FROM jobs j WHERE job_id = ANY(%(ids)s)"""


async def find_expired_objects(
    connection: Connection, kind: str, tenant: str, cutoff: datetime, limit: int
) -> list[ExpiredObjects]:
    """Jobs whose objects of a kind (AUDIO, ARTIFACTS) are expired and not marked as gone."""
    ids = await _ids(connection, _due(f"{kind}_gone < run"), _values(tenant, cutoff, limit))
    query = _OVER.format(held_other=HAS_LEGAL_HOLD.format("o"))
    rows = await (await connection.execute(query, {"ids": ids, "cutoff": cutoff})).fetchall()
    return [ExpiredObjects(**row) for row in rows]


async def mark_gone(connection: Connection, kind: str, deleted: Sequence[ExpiredObjects]) -> None:
    """Note that the objects of that kind are deleted."""
    await connection.execute(
        sql.SQL(
            "UPDATE jobs SET {column} = gone.run FROM unnest(%s::uuid[], %s::integer[]) AS gone (job_id, run)"
            " WHERE jobs.job_id = gone.job_id"
        ).format(column=sql.Identifier(f"{kind}_gone")),
        [[job.job_id for job in deleted], [job.run for job in deleted]],
    )


async def forget_history(connection: Connection, tenant: str, cutoff: datetime, limit: int) -> Batch:
    """Delete the history of jobs that remain."""
    await block_new_holds(connection)
    found = await _ids(connection, _due("history_gone < run"), _values(tenant, cutoff, limit))
    ids = await _still(connection, found, cutoff)
    deleted = await connection.execute("DELETE FROM job_events WHERE job_id = ANY(%s)", [ids])
    await connection.execute("UPDATE jobs SET history_gone = run WHERE job_id = ANY(%s)", [ids])
    return Batch(len(ids), deleted.rowcount)


async def forget_fingerprints(connection: Connection, tenant: str, cutoff: datetime, limit: int) -> Batch:
    """Delete the digests by which repeated requests are recognised; the job's row still allows recognition."""
    await block_new_holds(connection)
    ids = await _ids(connection, _due("fingerprint IS NOT NULL"), _values(tenant, cutoff, limit))
    done = await connection.execute("UPDATE jobs SET fingerprint = NULL WHERE job_id = ANY(%s)", [ids])
    return Batch(len(ids), done.rowcount)


_ENDED_DELIVERIES = """
SELECT delivery_id FROM webhook_endpoints e CROSS JOIN LATERAL (
    SELECT delivery_id FROM webhook_deliveries d
    WHERE d.endpoint_id = e.endpoint_id AND ended_at < %(cutoff)s AND cleared_at IS {null} AND NOT EXISTS (
        SELECT FROM legal_holds h WHERE h.tenant = e.tenant AND (h.job_id IS NULL OR h.job_id = d.job_id))
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
) AS ended
WHERE e.tenant = %(tenant)s LIMIT %(limit)s"""


async def clear_deliveries(connection: Connection, tenant: str, cutoff: datetime, limit: int) -> Batch:
    """Empty ended deliveries: payload, error and attempts go; the row prevents a second announcement of the event."""
    await block_new_holds(connection)
    values = _values(tenant, cutoff, limit)
    ids = await _ids(connection, _ENDED_DELIVERIES.format(null="NULL"), values, "delivery_id")
    attempts = await connection.execute("DELETE FROM webhook_attempts WHERE delivery_id = ANY(%s)", [ids])
    await connection.execute(
        "UPDATE webhook_deliveries SET payload = '{}', error = NULL, cleared_at = now() WHERE delivery_id = ANY(%s)",
        [ids],
    )
    return Batch(len(ids), attempts.rowcount + len(ids))


async def delete_deliveries(connection: Connection, tenant: str, cutoff: datetime, limit: int) -> Batch:
    """Delete emptied deliveries whose events can no longer be read."""
    await block_new_holds(connection)
    values = _values(tenant, abandoned(cutoff), limit)
    ids = await _ids(connection, _ENDED_DELIVERIES.format(null="NOT NULL"), values, "delivery_id")
    await connection.execute("DELETE FROM webhook_deliveries WHERE delivery_id = ANY(%s)", [ids])
    return Batch(len(ids), len(ids))


_ENHANCEMENTS = """
SELECT enhancement_id FROM enhancements e WHERE tenant = %(tenant)s AND completed_at < %(cutoff)s
    AND NOT {held} ORDER BY completed_at LIMIT %(limit)s""".format(held=HAS_LEGAL_HOLD.format("e"))


async def forget_enhancements(connection: Connection, tenant: str, cutoff: datetime, limit: int) -> Batch:
    """Delete results of the enhanced-AI service; the call's row stays, so that no re-read event repeats the call."""
    await block_new_holds(connection)
    ids = await _ids(connection, _ENHANCEMENTS, _values(tenant, cutoff, limit), "enhancement_id")
    await connection.execute(
        "UPDATE enhancement_calls SET cleared_at = now() WHERE enhancement_id = ANY(%s) AND state <> 'pending'", [ids]
    )
    await connection.execute("DELETE FROM enhancement_answers WHERE enhancement_id = ANY(%s)", [ids])
    deleted = await connection.execute("DELETE FROM enhancements WHERE enhancement_id = ANY(%s)", [ids])
    return Batch(len(ids), deleted.rowcount)


_CALLS = """
SELECT enhancement_id FROM enhancement_calls c WHERE tenant = %(tenant)s AND COALESCE(ended_at, created_at) < %(cutoff)s
    AND NOT {held} LIMIT %(limit)s FOR UPDATE SKIP LOCKED""".format(held=HAS_LEGAL_HOLD.format("c"))


async def delete_calls(connection: Connection, tenant: str, cutoff: datetime, limit: int) -> Batch:
    """Delete calls, with their stored answers, when no event can request them again."""
    await block_new_holds(connection)
    ids = await _ids(connection, _CALLS, _values(tenant, abandoned(cutoff), limit), "enhancement_id")
    await connection.execute("DELETE FROM enhancement_calls WHERE enhancement_id = ANY(%s)", [ids])
    return Batch(len(ids), len(ids))


# the id of a job where it is one, so that the job is found by its index
_KEY = r"""CASE WHEN encode(o.key, 'escape') ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    THEN encode(o.key, 'escape')::uuid END"""
_FOR_ALL = {
    "dead_letters": "outbox WHERE id IN (SELECT id FROM outbox o WHERE failed_at < %(cutoff)s"
    " AND NOT EXISTS (SELECT FROM jobs j WHERE j.job_id = {key} AND {held}) LIMIT %(limit)s)",
    "applied_events": "applied_events WHERE event_id IN"
    " (SELECT event_id FROM applied_events a WHERE applied_at < %(cutoff)s"
    " AND NOT EXISTS (SELECT FROM jobs j WHERE j.job_id = a.job_id AND {held}) LIMIT %(limit)s)",
    "replays": "replayed_records WHERE (topic, partition, record_offset, number) IN"
    " (SELECT topic, partition, record_offset, number FROM replayed_records r WHERE at < %(cutoff)s"
    " AND NOT EXISTS (SELECT FROM jobs j WHERE j.job_id = r.job_id AND {held}) LIMIT %(limit)s)",
    "spending": "enhanced_ai_spending WHERE (tenant, day) IN"
    " (SELECT tenant, day FROM enhanced_ai_spending WHERE day < %(cutoff)s LIMIT %(limit)s)",
    "usage": "usage_by_day WHERE (tenant, day) IN"
    " (SELECT tenant, day FROM usage_by_day WHERE day < %(cutoff)s LIMIT %(limit)s)",
    "evidence": "erasures WHERE job_id IN (SELECT job_id FROM erasures WHERE done_at < %(cutoff)s LIMIT %(limit)s)",
}
FOR_ALL = tuple(_FOR_ALL)
"""The classes that are kept as long for all tenants, but for the outbox: the relay itself deletes what it has published."""


async def delete_for_all(connection: Connection, name: str, cutoff: datetime, limit: int) -> Batch:
    """Delete rows of one of the classes FOR_ALL."""
    await block_new_holds(connection)
    query = f"DELETE FROM {_FOR_ALL[name]}".format(held=HAS_LEGAL_HOLD.format("j"), key=_KEY)  # noqa: S608 - our own words
    done = await connection.execute(query, {"cutoff": cutoff, "limit": limit})
    return Batch(done.rowcount, done.rowcount)


async def known_jobs(connection: Connection, job_ids: Collection[UUID]) -> set[UUID]:
    """The subset of the jobs that have a row or a tombstone."""
    query = (
        "SELECT job_id FROM jobs WHERE job_id = ANY(%(ids)s)"
        " UNION SELECT job_id FROM erased_jobs WHERE job_id = ANY(%(ids)s)"
    )
    return set(await _ids(connection, query, {"ids": list(job_ids)}))


async def known_uploads(connection: Connection, tenant: str, upload_ids: Collection[UUID]) -> set[UUID]:
    """The subset of a tenant's uploads that a job or a tombstone names."""
    query = (
        "SELECT scribe_upload(request) AS upload FROM jobs WHERE tenant = %(tenant)s"
        " AND scribe_upload(request) = ANY(%(uploads)s)"
        " UNION SELECT upload FROM erased_jobs WHERE tenant = %(tenant)s AND upload = ANY(%(uploads)s)"
    )
    values = {"tenant": tenant, "uploads": [upload_id.hex for upload_id in upload_ids]}
    return {UUID(row["upload"]) for row in await (await connection.execute(query, values)).fetchall()}


async def wholly_held(connection: Connection, tenant: str) -> bool:
    """Whether all data of a tenant are under legal hold."""
    cursor = await connection.execute("SELECT FROM legal_holds WHERE tenant = %s AND job_id IS NULL", [tenant])
    return cursor.rowcount > 0


def _values(tenant: str, cutoff: datetime, limit: int) -> dict[str, object]:
    return {"tenant": tenant, "cutoff": cutoff, "abandoned": abandoned(cutoff), "limit": limit}


async def _ids(connection: Connection, query: str, values: dict[str, object], name: str = "job_id") -> list[UUID]:
    return [row[name] for row in await (await connection.execute(query, values)).fetchall()]
