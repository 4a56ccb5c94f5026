"""Row security: raw SQL without a WHERE, as a tenant's request runs it, on every table that holds tenants' rows."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from deploy.local.stack import Stack
from schemas.errors import Outage
from schemas.events import EnhancementRequest, EnhancementResult, JobRequested, JobResult, Outcome, TenantPolicy
from schemas.settings.stores import PostgresSettings
from schemas.wire.records import Record
from sink.enhancements import requests
from sink.jobs.intake import acceptance
from sink.jobs.results import StoredTranscript, apply_result
from sink.postgres.database import Connection, Database, NotMigrated
from sink.postgres.migrate import FOLDER
from sink.tenants.api_keys import create_key
from sink.tenants.policies import apply_policy
from sink.webhooks import deliveries
from sink.webhooks.deliveries import NewDelivery
from tests.samples import AT, BARE_REQUEST, TRANSCRIPT
from tests.sink.pooling_proxy import PoolingProxy

pytestmark = pytest.mark.anyio
TENANTS = ("acme", "globex")
JOBS = {tenant: replace(BARE_REQUEST, job_id=uuid.uuid4(), tenant=tenant) for tenant in TENANTS}
RECORD = Record("scribe.jobs", b"key", b"value", {})
MIGRATION = (FOLDER / "0007_row_security.sql").read_text()
# what belongs to acme, seen by the owner
OWN = {
    "api_keys": "tenant = 'acme'",
    "tenant_policies": "tenant = 'acme'",
    "jobs": "tenant = 'acme'",
    "job_events": "job_id = '{job}'",
    "segments": "job_id = '{job}'",
    "applied_events": "job_id = '{job}'",
    "outbox": "tenant = 'acme'",
    "webhook_endpoints": "tenant = 'acme'",
    "webhook_deliveries": "job_id = '{job}'",
    "webhook_sequences": "tenant = 'acme'",
    "enhancement_calls": "tenant = 'acme'",
    "enhancements": "tenant = 'acme'",
    "webhook_attempts": "delivery_id IN (SELECT delivery_id FROM webhook_deliveries WHERE job_id = '{job}')",
}


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    """A database with the same rows for two tenants."""
    async with Database.open(settings(database)) as opened:
        for tenant in TENANTS:
            await fill(opened, tenant)
        yield opened


def settings(dsn: str, size: int = 4) -> PostgresSettings:
    return PostgresSettings.model_validate({"postgres_dsn": dsn, "postgres_pool_size": size})


async def fill(db: Database, tenant: str) -> None:
    request = JOBS[tenant]
    result = ended(request)
    await create_key(db, tenant)
    answer, _ = await acceptance.accept(db, request, b"digest", RECORD)
    assert answer is acceptance.Acceptance.ACCEPTED
    async with db.as_tenant(tenant, writing=True) as connection:
        assert await requests.ask(connection, tenant, request.job_id, 1, wishes(tenant))
    async with db.transaction() as connection:
        await apply_policy(connection, TenantPolicy(tenant=tenant, at=AT))
        await apply_result(connection, result, StoredTranscript(TRANSCRIPT, "s3://scribe/t.json"))
        endpoint = await deliveries.register_endpoint(connection, tenant, "https://hooks.example/in", b"sealed")
        new = NewDelivery(event_id=result.event_id, job_id=request.job_id, type="t", payload={}, asked=b"asked")
        await deliveries.add(connection, endpoint, new)
        await requests.apply(connection, enhanced(tenant))
        await connection.execute(
            "INSERT INTO webhook_attempts (delivery_id, attempt) VALUES (%s, 1)",
            [deliveries.delivery_id(result.event_id, endpoint)],
        )


def wishes(tenant: str) -> EnhancementRequest:
    return EnhancementRequest(enhancement_id=uuid.uuid5(JOBS[tenant].job_id, "wish"), summarization=True)


def enhanced(tenant: str) -> EnhancementResult:
    return EnhancementResult(
        event_id=uuid.uuid5(JOBS[tenant].job_id, "enhanced"),
        job_id=JOBS[tenant].job_id,
        run=1,
        tenant=tenant,
        enhancement_id=wishes(tenant).enhancement_id,
        outcome=Outcome.COMPLETED,
        completed_at=AT,
    )


def ended(request: JobRequested) -> JobResult:
    return JobResult(
        event_id=uuid.uuid5(request.job_id, "result"),
        job_id=request.job_id,
        run=request.run,
        tenant=request.tenant,
        request=request,
        outcome=Outcome.COMPLETED,
        completed_at=AT,
    )


async def count(connection: Connection, table: str, where: str = "true") -> int:
    query = f"SELECT count(*) AS n FROM {table} WHERE {where.format(job=JOBS['acme'].job_id)}"
    row = await (await connection.execute(query.encode())).fetchone()
    assert row
    return int(row["n"])


async def allow_all(db: Database) -> None:
    """Rights that no tenant has, so that nothing but the policies stands between them."""
    async with db.transaction() as connection:
        await connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO scribe_tenant")


async def test_a_read_without_a_where_finds_own_rows_only(db: Database) -> None:
    await allow_all(db)
    for table, where in OWN.items():
        async with db.transaction() as connection:
            own, all_rows = await count(connection, table, where), await count(connection, table)
        async with db.as_tenant("acme") as connection:
            assert await count(connection, table) == own > 0, table
        assert all_rows > own, table


async def test_tombstones_are_seen_by_nobody_and_answered_one_by_one(db: Database) -> None:
    await allow_all(db)
    async with db.transaction() as connection:
        await connection.execute("INSERT INTO erased_jobs (job_id) VALUES (%s)", [uuid.UUID(int=1)])
    async with db.as_tenant("acme") as connection:
        assert await count(connection, "erased_jobs") == 0
        row = await (await connection.execute("SELECT scribe_is_erased(%s) AS it", [uuid.UUID(int=1)])).fetchone()
        assert row == {"it": True}


async def changed(db: Database, statement: str) -> int:
    """How many rows a statement of acme's reaches; the change is taken back."""
    async with db.as_tenant("acme", writing=True) as connection, connection.transaction(force_rollback=True):
        return (await connection.execute(statement.encode())).rowcount


@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET {column} = {column}"])
async def test_a_change_without_a_where_reaches_own_rows_only(db: Database, change: str) -> None:
    await allow_all(db)
    async with db.transaction() as connection:
        for table in OWN:  # else the foreign keys of other tables would speak first
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
    for table, where in OWN.items():
        async with db.transaction() as connection:
            own = await count(connection, table, where)
            row = await (await connection.execute(f"SELECT * FROM {table} LIMIT 1".encode())).fetchone()
        assert row
        column = [name for name in row if name != "id"][-1]
        assert await changed(db, change.format(table, column=column)) == own, table


async def test_a_row_of_another_tenant_cannot_be_written(db: Database) -> None:
    """A copy of the other's row, told as a bug, not as an outage."""
    await allow_all(db)
    for table, mine in OWN.items():
        where = f"NOT ({mine.format(job=JOBS['acme'].job_id)})"
        async with db.transaction() as connection:
            whole = f"SELECT to_jsonb({table}.*) AS row FROM {table} WHERE {where} LIMIT 1"
            found = await (await connection.execute(whole.encode())).fetchone()
        assert found
        names = sql.SQL(", ").join(sql.Identifier(name) for name in found["row"] if name != "id")
        text = sql.SQL("INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_record(NULL::{table}, %s)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            async with db.as_tenant("acme", writing=True) as connection:
                await connection.execute(text.format(table=sql.Identifier(table), names=names), [Jsonb(found["row"])])


async def test_an_own_row_cannot_be_given_away(db: Database) -> None:
    await allow_all(db)
    for statement in (
        "UPDATE jobs SET tenant = 'globex'",
        f"UPDATE segments SET job_id = '{JOBS['globex'].job_id}', position = position + 1000",
        "UPDATE outbox SET tenant = NULL",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            async with db.as_tenant("acme", writing=True) as connection:
                await connection.execute(statement.encode())


async def test_nobody_sees_nothing(db: Database) -> None:
    await allow_all(db)
    for tenant in (None, "", "nobody"):
        async with db.transaction() as connection:
            await connection.execute("SET LOCAL ROLE scribe_tenant")
            if tenant is not None:
                await connection.execute("SELECT set_config('scribe.tenant', %s, true)", [tenant])
            assert {table: await count(connection, table) for table in OWN} == dict.fromkeys(OWN, 0)


async def test_a_tenant_has_no_rights_that_its_requests_do_not_need(db: Database) -> None:
    async with db.transaction() as connection:
        cursor = await connection.execute(
            "SELECT table_name, string_agg(privilege_type, ' ' ORDER BY privilege_type) AS rights"
            " FROM information_schema.role_table_grants WHERE grantee = 'scribe_tenant' GROUP BY table_name"
        )
        rights = {row["table_name"]: row["rights"] for row in await cursor.fetchall()}
    deletes = {table for table, granted in rights.items() if "DELETE" in granted}
    assert deletes == {
        *("webhook_endpoints", "webhook_old_secrets", "webhook_deliveries", "enhancement_answers", "uploads"),
    }
    assert "TRUNCATE" not in " ".join(rights.values())
    assert rights["outbox"] == "INSERT"
    assert rights["segments"] == "SELECT"
    assert "api_keys" not in rights


async def who(db: Database) -> tuple[str, str | None]:
    async with db.transaction() as connection:
        query = "SELECT current_user AS role, nullif(current_setting('scribe.tenant', true), '') AS tenant"
        row = await (await connection.execute(query)).fetchone()
    assert row
    return row["role"], row["tenant"]


async def test_no_connection_keeps_the_role_after_its_transaction(database: str) -> None:
    """Whether it ended well, by an error of ours or the server's, or was cancelled."""
    async with Database.open(settings(database, size=1)) as db:
        owner = await who(db)
        async with db.as_tenant("acme", writing=True):
            pass
        assert await who(db) == owner
        for failing in ("SELECT 1/0", "SELECT * FROM erased_jobs"):
            with pytest.raises((psycopg.Error, Outage)):
                async with db.as_tenant("acme") as connection:
                    await connection.execute(failing.encode())
            assert await who(db) == owner
        await cancelled_inside(db)
        assert await who(db) == owner
        async with db.as_tenant("globex") as connection:
            row = await (await connection.execute("SELECT scribe_own_tenant() AS tenant")).fetchone()
            assert row == {"tenant": "globex"}
    assert owner[1] is None


async def cancelled_inside(db: Database) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async with db.as_tenant("acme") as connection:
            begun.set()
            await connection.execute("SELECT pg_sleep(60)")

    reader = asyncio.create_task(read())
    await begun.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


async def test_tenants_stay_apart_behind_a_proxy_that_pools_transactions(database: str) -> None:
    """Ten tenants and the owner share two connections of the server, which change hands all the time."""
    async with PoolingProxy(database, size=2).serving() as proxy:
        through = make_conninfo(database, host="127.0.0.1", port=proxy.port)
        async with Database.open(settings(through, size=6), prepare=False) as db:
            owner = await who(db)

            async def act(tenant: str) -> None:
                for _ in range(8):
                    async with db.as_tenant(tenant, writing=True) as connection:
                        query = "SELECT current_user AS role, scribe_own_tenant() AS tenant"
                        row = await (await connection.execute(query)).fetchone()
                        assert row == {"role": "scribe_tenant", "tenant": tenant}
                    assert await who(db) == owner

            await asyncio.gather(*(act(f"tenant-{n}") for n in range(10)))
    assert proxy.handed_over > 20


async def test_a_tenants_reader_cannot_write(db: Database) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        async with db.as_tenant("acme") as connection:
            await connection.execute("INSERT INTO outbox (topic, key, value, headers) VALUES ('t', '', '', '{}')")


async def test_outbox_rows_name_the_tenant_whose_request_wrote_them(db: Database) -> None:
    async with db.transaction() as connection:
        cursor = await connection.execute("SELECT tenant FROM outbox ORDER BY id")
        assert [row["tenant"] for row in await cursor.fetchall()] == list(TENANTS)


@pytest.fixture
def limited(postgres_server: Stack) -> Iterator[tuple[str, str]]:
    """The DSN of a database that an ordinary login owns, and that login."""
    name = f"limited_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.postgres_dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p'".encode())
        connection.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
        yield make_conninfo(postgres_server.postgres_dsn(name), user=name, password="p"), name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE {name}".encode())


async def test_who_may_not_make_the_role_is_told_what_to_run(limited: tuple[str, str]) -> None:
    dsn, user = limited
    other_role = MIGRATION.replace("scribe_tenant", f"absent_{user}")
    with psycopg.connect(dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute(other_role.encode())
    assert f"CREATE ROLE absent_{user} NOLOGIN; GRANT absent_{user} TO {user};" in str(caught.value)


async def test_who_may_not_take_on_the_role_is_told_what_to_run(
    limited: tuple[str, str], postgres_server: Stack, database: str
) -> None:
    dsn, user = limited
    with psycopg.connect(dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute(MIGRATION.encode())
    assert f"GRANT scribe_tenant TO {user};" in str(caught.value)
    async with Database.open(settings(dsn)) as db:
        with pytest.raises(Outage, match=f"GRANT scribe_tenant TO {user}"):
            async with db.as_tenant("acme"):
                pass


async def test_a_server_without_the_role_is_not_migrated(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sink.postgres.database._TAKE_ON", "SELECT set_config('role', 'scribe_absent', true), %s::text")
    with pytest.raises(NotMigrated, match="scribe database migrate"):
        async with db.as_tenant("acme"):
            pass


async def test_databases_of_one_server_make_the_role_at_the_same_time(postgres_server: Stack) -> None:
    """Roles belong to the server: whoever comes second waits for the first and goes on."""
    role = f"raced_{uuid.uuid4().hex[:8]}"
    making = MIGRATION[: MIGRATION.index("-- null when nobody")].replace("scribe_tenant", role)
    databases = [f"{role}_{n}" for n in range(4)]
    with psycopg.connect(postgres_server.postgres_dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role}_owner LOGIN CREATEROLE PASSWORD 'p'".encode())
        for name in databases:
            connection.execute(f"CREATE DATABASE {name} OWNER {role}_owner".encode())
        try:
            with ThreadPoolExecutor(len(databases)) as pool:
                list(pool.map(lambda name: apply(postgres_server, name, f"{role}_owner", making), databases))
            members = connection.execute(
                "SELECT count(*) FROM pg_auth_members WHERE roleid = %s::regrole AND set_option", [role]
            ).fetchone()
            assert members == (1,)
        finally:
            for name in databases:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            connection.execute(f"DROP ROLE IF EXISTS {role}, {role}_owner".encode())


def apply(server: Stack, database: str, user: str, text: str) -> None:
    with psycopg.connect(make_conninfo(server.postgres_dsn(database), user=user, password="p")) as connection:
        connection.execute(text.encode())
