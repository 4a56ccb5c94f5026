"""How deliveries stand is counted at a price that depends neither on what has ended nor on how much waits."""

from collections.abc import AsyncIterator

import pytest

from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Connection, Database
from sink.webhooks.endpoint_health import _BACKLOG, backlog
from tests.sink.plans import rows_read

pytestmark = pytest.mark.anyio
ENDPOINTS = """
INSERT INTO webhook_endpoints (endpoint_id, tenant, url, secret, state)
SELECT md5(n::text)::uuid, 'acme', 'https://acme.example/' || n, '', CASE n % 10 WHEN 0 THEN 'disabled' ELSE 'enabled' END
FROM generate_series(1, 200) n"""
# of each endpoint some that wait for their event, some that are due, and some that have ended
DELIVERIES = """
INSERT INTO webhook_deliveries (delivery_id, event_id, endpoint_id, type, payload, created_at, next_attempt_at, state)
SELECT gen_random_uuid(), gen_random_uuid(), md5((n % 200 + 1)::text)::uuid, 'job.completed', '{}', at,
    CASE WHEN n > 10000 THEN at END, CASE WHEN n <= 20000 THEN 'pending' ELSE 'exhausted' END
FROM generate_series(1, 40000) n CROSS JOIN (SELECT now() - interval '1 hour' AS at) ago"""


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, db.session() as opened:
        yield opened


async def test_it_is_counted_up_to_a_number_and_no_further_is_read(connection: Connection) -> None:
    await connection.execute(ENDPOINTS)
    await connection.execute(DELIVERIES)
    await connection.execute("VACUUM ANALYZE webhook_deliveries, webhook_endpoints")
    found = await backlog(connection, most=500)
    assert (found.pending, found.gated, found.disabled_endpoints) == (500, 500, 20)
    assert 3600 <= found.oldest_due_seconds < 3700
    read = await rows_read(connection, _BACKLOG, {"gated_seconds": 300, "most": 500})
    # two counts, and one delivery of each endpoint
    assert read["webhook_deliveries"] <= 2 * 500 + 201
    assert read["webhook_endpoints"] <= 2 * 200 + 20
    everything = await backlog(connection)
    assert (everything.pending, everything.gated) == (10_000, 10_000)
    await connection.execute("DELETE FROM webhook_deliveries WHERE state = 'pending'")
    nothing = await backlog(connection)
    assert (nothing.pending, nothing.gated, nothing.oldest_due_seconds) == (0, 0, 0)
