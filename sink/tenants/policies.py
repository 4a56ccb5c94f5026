"""Tenant policies in PostgreSQL, written by the persist app from scribe.tenants."""

from psycopg.types.json import Jsonb

from schemas.events import TenantPolicy
from schemas.wire.serde import event_from_json, to_json
from sink.postgres.database import Connection
from sink.postgres.sanitize import sanitize_for_postgres


async def apply_policy(connection: Connection, policy: TenantPolicy) -> bool:
    """Store a tenant's policy; False, without a change, when the same or a later one is stored."""
    cursor = await connection.execute(
        "INSERT INTO tenant_policies (tenant, policy, at) VALUES (%(tenant)s, %(policy)s, %(at)s)"
        " ON CONFLICT (tenant) DO UPDATE SET policy = EXCLUDED.policy, at = EXCLUDED.at"
        " WHERE tenant_policies.at < EXCLUDED.at",
        {"tenant": policy.tenant, "policy": Jsonb(sanitize_for_postgres(to_json(policy))), "at": policy.at},
    )
    return cursor.rowcount == 1


async def policy_of(connection: Connection, tenant: str) -> TenantPolicy | None:
    """The policy of a tenant, None when there is none."""
    cursor = await connection.execute("SELECT policy FROM tenant_policies WHERE tenant = %s", [tenant])
    row = await cursor.fetchone()
    return event_from_json(row["policy"], TenantPolicy) if row else None
