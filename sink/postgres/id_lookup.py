"""Lookup of ids by their prefixes, for operators: jobs, erasures, holds, webhook endpoints and deliveries."""

from enum import StrEnum
from uuid import UUID

from sink.postgres.database import Connection

MOST = 6


class Kind(StrEnum):
    """Kinds of objects that have an id."""

    JOB = "job"
    ERASURE = "erasure"
    HOLD = "hold"
    ENDPOINT = "endpoint"
    DELIVERY = "delivery"


_QUERIES = {
    Kind.JOB: "SELECT job_id AS id, tenant, state AS words FROM jobs",
    Kind.ERASURE: "SELECT job_id AS id, tenant, 'erased' AS words FROM erasures",
    Kind.HOLD: "SELECT job_id AS id, tenant, reason AS words FROM legal_holds",
    Kind.ENDPOINT: "SELECT endpoint_id AS id, tenant, url AS words FROM webhook_endpoints",
    Kind.DELIVERY: """SELECT d.delivery_id AS id, e.tenant, d.type || ' ' || d.state AS words
        FROM webhook_deliveries d JOIN webhook_endpoints e USING (endpoint_id)""",
}


async def ids_between(
    connection: Connection, kind: Kind, first: UUID, last: UUID, tenant: str | None = None
) -> dict[UUID, str]:
    """A few ids of a kind from `first` to `last`, of one tenant if given, each with its tenant and a description."""
    query = (
        f"SELECT * FROM ({_QUERIES[kind]}) AS named WHERE id BETWEEN %(first)s AND %(last)s"  # noqa: S608 - our own words
        " AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s) ORDER BY id LIMIT %(most)s"
    )
    values = {"first": first, "last": last, "tenant": tenant, "most": MOST}
    rows = await (await connection.execute(query.encode(), values)).fetchall()
    return {row["id"]: f"{row['tenant']} {row['words']}" for row in rows}
