"""Webhook endpoints as their owners see them: which there are, and the secret that verifies each one's signatures."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from sink.deliveries import endpoint_id
from sink.postgres import Database
from sink.signature import format_secret
from sink.webhook_secrets import SecretBox


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that a tenant named in a job; it was registered at its first use."""

    endpoint_id: UUID
    tenant: str
    url: str
    state: str
    reason: str | None
    created_at: datetime


async def list_endpoints(db: Database, tenant: str | None = None) -> tuple[Endpoint, ...]:
    """Every endpoint, or those of one tenant, oldest first."""
    async with db.connection() as connection, connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        await cursor.execute(
            "SELECT endpoint_id, tenant, url, state, reason, created_at FROM webhook_endpoints"
            " WHERE %(tenant)s::text IS NULL OR tenant = %(tenant)s ORDER BY created_at, endpoint_id",
            {"tenant": tenant},
        )
        return tuple(await cursor.fetchall())


async def read_secret(db: Database, box: SecretBox, tenant: str, url: str) -> str | None:
    """The `whsec_` secret of an endpoint, None if it was never used; raises SettingsError under another key."""
    endpoint = endpoint_id(tenant, url)
    async with db.connection() as connection:
        cursor = await connection.execute("SELECT secret FROM webhook_endpoints WHERE endpoint_id = %s", [endpoint])
        row = await cursor.fetchone()
    return None if row is None else format_secret(box.open(bytes(row["secret"]), endpoint))
