"""Count of tenants that have reached a quota of their policy, by quota."""

from schemas.tenants.quotas import MOST_QUEUED, QUOTAS, TOKENS_PER_DAY
from sink.postgres.database import Connection

_FULL = """
SELECT count(*) FILTER (WHERE (policy -> 'quotas' ->> %(queued)s)::bigint <= (
        SELECT count(*) FROM jobs WHERE jobs.tenant = p.tenant AND state = 'queued'
    )) AS queued,
    count(*) FILTER (WHERE (policy -> 'quotas' ->> %(tokens)s)::bigint <= (
        SELECT coalesce(sum(tokens), 0) FROM enhanced_ai_spending s
        WHERE s.tenant = p.tenant AND day = (now() AT TIME ZONE 'UTC')::date
    )) AS tokens
FROM tenant_policies p WHERE jsonb_typeof(policy -> 'quotas') = 'object'"""


async def count_full(connection: Connection) -> dict[str, int]:
    """The number of tenants that have reached each quota."""
    cursor = await connection.execute(_FULL, {"queued": MOST_QUEUED, "tokens": TOKENS_PER_DAY})
    row = await cursor.fetchone()
    found = {MOST_QUEUED: row["queued"], TOKENS_PER_DAY: row["tokens"]} if row else {}
    return {quota: int(found.get(quota, 0)) for quota in QUOTAS}
