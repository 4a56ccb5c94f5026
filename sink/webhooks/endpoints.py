"""Webhook endpoints as their owners manage them: registered, listed, changed, with secrets shown and rotated."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from schemas.errors import Permanent
from schemas.webhooks.deliveries import OVERLAP_SECONDS
from sink.postgres.advisory_locks import KeyedLock
from sink.postgres.database import Connection, Database
from sink.tenants.legal_holds import block_new_holds
from sink.webhooks.deliveries import endpoint_id, register_endpoint
from sink.webhooks.endpoint_health import disable
from sink.webhooks.secrets import SecretBox
from sink.webhooks.signature import format_secret

MAX_OLD_SECRETS = 8  # signatures beside the newest one; a header that grows for ever is refused somewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A tenant's endpoint with its state and its limits."""

    endpoint_id: UUID
    tenant: str
    url: str
    description: str
    state: str
    reason: str | None
    """Why it is disabled."""
    max_per_second: float | None
    events: list[str] | None
    """The types of the events that it is sent, None for all."""
    created_at: datetime
    disabled_at: datetime | None
    failing_since: datetime | None
    blocked_until: datetime | None
    """Until when it has asked for a pause, None when that is over."""
    old_secret_until: datetime | None
    """Until when a secret of before the last rotation signs along."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new secret of an endpoint, and the time until which the former one signs as well."""

    secret: str
    old_secret_until: datetime | None


_CHANGEABLE = ("description", "max_per_second", "events")
_SELECT = """
SELECT e.endpoint_id, e.tenant, e.url, e.description, e.state, e.reason, e.max_per_second, e.events, e.created_at, e.disabled_at,
    e.failing_since, CASE WHEN e.blocked_until > now() THEN e.blocked_until END AS blocked_until,
    (SELECT max(o.until) FROM webhook_old_secrets o WHERE o.endpoint_id = e.endpoint_id AND o.until > now())
        AS old_secret_until
FROM webhook_endpoints e"""


async def list_endpoints(
    connection: Connection,
    tenant: str | None = None,
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int | None = None,
) -> tuple[Endpoint, ...]:
    """Endpoints of one or all tenants, oldest first; `after`: creation time and id of the last one already seen."""
    conditions = []
    if tenant is not None:
        conditions.append("e.tenant = %(tenant)s")
    if after is not None:
        conditions.append("(e.created_at, e.endpoint_id) > (%(at)s, %(id)s)")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"{_SELECT} {where} ORDER BY e.created_at, e.endpoint_id LIMIT %(limit)s"
    async with connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        at, last_id = after or (None, None)
        await cursor.execute(query, {"tenant": tenant, "at": at, "id": last_id, "limit": limit})
        return tuple(await cursor.fetchall())


async def find_endpoint(connection: Connection, endpoint: UUID, tenant: str | None = None) -> Endpoint | None:
    """An endpoint, restricted to a tenant if given; None for an endpoint of another tenant."""
    query = f"{_SELECT} WHERE e.endpoint_id = %(id)s AND (%(tenant)s::text IS NULL OR e.tenant = %(tenant)s)"
    async with connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        await cursor.execute(query, {"id": endpoint, "tenant": tenant})
        return await cursor.fetchone()


async def ensure_endpoint(
    connection: Connection, box: SecretBox, tenant: str, url: str, most: int | None = None
) -> tuple[Endpoint, bool]:
    """The endpoint of an address, and whether it is new; an existing one keeps its secret, state and limits.

    Raises Permanent(too_many_endpoints) where a new one would be more than the tenant may have, `most`.
    """
    known = await find_endpoint(connection, endpoint_id(tenant, url))
    if known is None and most is not None:
        await _check_room(connection, tenant, most)
    endpoint = await register_endpoint(connection, tenant, url, box.new_secret(endpoint_id(tenant, url)))
    found = await find_endpoint(connection, endpoint)
    if found is None:
        raise AssertionError("unreachable: the endpoint was registered in this transaction")
    return found, known is None


async def _check_room(connection: Connection, tenant: str, most: int) -> None:
    # one registers at a time, else two would both find the last place free
    await connection.execute(f"SELECT pg_advisory_xact_lock({KeyedLock.ENDPOINTS_OF_TENANT.key('%s')})", [tenant])
    cursor = await connection.execute(
        "SELECT count(*) AS there FROM (SELECT FROM webhook_endpoints WHERE tenant = %s LIMIT %s) AS theirs",
        [tenant, most],
    )
    row = await cursor.fetchone()
    if row is not None and row["there"] >= most:
        raise Permanent("too_many_endpoints", f"{most}, those that jobs named among them")


async def change_endpoint(connection: Connection, endpoint: UUID, changes: dict[str, Any]) -> None:
    """Set `description`, `max_per_second` (None: the default) and `events` (None: all); fields that are not given stay."""
    if columns := [f"{name} = %({name})s" for name in _CHANGEABLE if name in changes]:
        await connection.execute(
            f"UPDATE webhook_endpoints SET {', '.join(columns)} WHERE endpoint_id = %(endpoint)s".encode(),  # noqa: S608 - our own column names
            {**changes, "endpoint": endpoint},
        )


async def set_enabled(connection: Connection, endpoint: UUID, enabled: bool, reason: str) -> bool:
    """Enable an endpoint and reset its health, or disable it with a reason; False when nothing changed."""
    if not enabled:
        return await disable(connection, endpoint, reason)
    cursor = await connection.execute(
        "UPDATE webhook_endpoints SET state = 'enabled', reason = NULL, disabled_at = NULL, failing_since = NULL,"
        " blocked_until = NULL WHERE endpoint_id = %s AND state = 'disabled'",
        [endpoint],
    )
    return cursor.rowcount == 1


async def delete_endpoint(connection: Connection, endpoint: UUID) -> bool:
    """Delete an endpoint with its secrets, deliveries and attempts; False when there is none.

    A job that names the address later registers it anew. Raises Permanent(held) when a delivery of it may not go.
    """
    await block_new_holds(connection)
    await _check_not_held(connection, endpoint)
    # its row first: whoever is scheduling a delivery to it at this moment has locked it against this
    locked = await connection.execute("SELECT FROM webhook_endpoints WHERE endpoint_id = %s FOR UPDATE", [endpoint])
    await connection.execute("DELETE FROM webhook_deliveries WHERE endpoint_id = %s", [endpoint])
    await connection.execute("DELETE FROM webhook_endpoints WHERE endpoint_id = %s", [endpoint])
    return locked.rowcount == 1


async def _check_not_held(connection: Connection, endpoint: UUID) -> None:
    cursor = await connection.execute(
        "SELECT h.set_at FROM webhook_endpoints e JOIN legal_holds h ON h.tenant = e.tenant"
        " WHERE e.endpoint_id = %(endpoint)s AND (h.job_id IS NULL OR EXISTS ("
        "  SELECT FROM webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id AND d.job_id = h.job_id)) LIMIT 1",
        {"endpoint": endpoint},
    )
    if hold := await cursor.fetchone():
        raise Permanent("held", f"deliveries to it are held since {hold['set_at']:%Y-%m-%d}")


async def read_secret(connection: Connection, box: SecretBox, endpoint: UUID) -> str | None:
    """The newest `whsec_` secret of an endpoint, None if there is none; raises SettingsError under another key."""
    cursor = await connection.execute("SELECT secret FROM webhook_endpoints WHERE endpoint_id = %s", [endpoint])
    row = await cursor.fetchone()
    return None if row is None else format_secret(box.open(bytes(row["secret"]), endpoint))


async def rotate_secret(
    connection: Connection, box: SecretBox, endpoint: UUID, overlap_seconds: float = OVERLAP_SECONDS
) -> Rotated | None:
    """Create a new secret; the former one signs as well for `overlap_seconds` (0: not at all). None if none exists."""
    cursor = await connection.execute(
        "SELECT tenant, secret FROM webhook_endpoints WHERE endpoint_id = %s FOR NO KEY UPDATE", [endpoint]
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    until = await _keep(connection, endpoint, row["tenant"], row["secret"], overlap_seconds)
    sealed = box.new_secret(endpoint)
    await connection.execute("UPDATE webhook_endpoints SET secret = %s WHERE endpoint_id = %s", [sealed, endpoint])
    return Rotated(format_secret(box.open(sealed, endpoint)), until)


async def _keep(
    connection: Connection, endpoint: UUID, tenant: str, sealed: bytes, overlap_seconds: float
) -> datetime | None:
    if overlap_seconds <= 0:
        # no overlap means that what was known before is worth nothing any more
        await connection.execute("DELETE FROM webhook_old_secrets WHERE endpoint_id = %s", [endpoint])
        return None
    cursor = await connection.execute(
        "INSERT INTO webhook_old_secrets (endpoint_id, tenant, secret, until)"
        " VALUES (%s, %s, %s, now() + make_interval(secs => %s)) RETURNING until",
        [endpoint, tenant, sealed, overlap_seconds],
    )
    row = await cursor.fetchone()
    await connection.execute(
        "DELETE FROM webhook_old_secrets WHERE endpoint_id = %(endpoint)s AND id NOT IN ("
        " SELECT id FROM webhook_old_secrets WHERE endpoint_id = %(endpoint)s ORDER BY id DESC LIMIT %(most)s)",
        {"endpoint": endpoint, "most": MAX_OLD_SECRETS},
    )
    until: datetime | None = row["until"] if row else None
    return until


async def reseal_secrets(database: Database, box: SecretBox) -> int:
    """Re-encrypt every secret under the first key; returns the number changed. Raises SettingsError for an unknown key.

    A secret that is rotated meanwhile is left unchanged, so that this may run at any time.
    """
    changed = 0
    for table, key in (("webhook_endpoints", "endpoint_id"), ("webhook_old_secrets", "id")):
        query = f"SELECT {key} AS key, endpoint_id, secret FROM {table}"  # noqa: S608 - our own names
        update = f"UPDATE {table} SET secret = %s WHERE {key} = %s AND secret = %s"  # noqa: S608 - our own names
        async with database.connection() as connection:
            rows = await (await connection.execute(query)).fetchall()
        for row in rows:
            if (sealed := box.resealed(bytes(row["secret"]), row["endpoint_id"])) is not None:
                async with database.transaction() as connection:
                    changed += (await connection.execute(update, [sealed, row["key"], row["secret"]])).rowcount
    return changed
