"""The pool: what is committed, what comes back, and which errors are an outage."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from schemas.errors import Outage, SettingsError
from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Conflict, Connection, Database, NotMigrated, is_away, with_defaults
from tests.sink.breakable_proxy import BreakableProxy, Opener, breakable

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database.open(settings(database)) as opened:
        yield opened


def settings(dsn: str, size: int = 4) -> PostgresSettings:
    return PostgresSettings.model_validate({"postgres_dsn": dsn, "postgres_pool_size": size})


async def erase(connection: Connection, job_id: UUID) -> None:
    await connection.execute("INSERT INTO erased_jobs (job_id) VALUES (%s)", [job_id])


async def erased(db: Database) -> set[UUID]:
    async with db.connection() as connection:
        cursor = await connection.execute("SELECT job_id FROM erased_jobs")
        return {row["job_id"] for row in await cursor.fetchall()}


async def test_a_transaction_is_kept_at_its_end_and_dropped_by_an_exception(db: Database) -> None:
    kept, dropped = uuid4(), uuid4()
    async with db.transaction() as connection:
        await erase(connection, kept)

    async def fail() -> None:
        async with db.transaction() as connection:
            await erase(connection, dropped)
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert await erased(db) == {kept}


async def test_rows_are_dictionaries_and_times_are_utc(db: Database) -> None:
    async with db.connection() as connection:
        row = await (await connection.execute("SELECT now() AS at, 1 AS one")).fetchone()
    assert row is not None
    assert row["one"] == 1
    assert isinstance(row["at"], datetime)
    assert row["at"].tzinfo is not None
    assert row["at"].utcoffset() == datetime.now(UTC).utcoffset()


async def test_a_connection_for_reading_cannot_write_and_says_so_as_a_bug(db: Database) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        async with db.connection() as connection:
            await erase(connection, uuid4())
    async with db.transaction() as connection:  # the same connection, for writing again
        await erase(connection, uuid4())
    assert len(await erased(db)) == 1


async def test_a_reader_that_is_cancelled_leaves_a_connection_that_writes(database: str) -> None:
    async with Database.open(settings(database, size=1)) as db:
        started = asyncio.Event()

        async def read_long() -> None:
            async with db.connection() as connection:
                started.set()
                await connection.execute("SELECT pg_sleep(60)")

        reader = asyncio.create_task(read_long())
        await started.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        async with db.transaction() as connection:
            await erase(connection, uuid4())
        assert len(await erased(db)) == 1


async def test_errors_of_values_stay_what_they_are_and_a_missing_table_is_an_outage(db: Database) -> None:
    job_id = uuid4()
    async with db.transaction() as connection:
        await erase(connection, job_id)
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with db.transaction() as connection:
            await erase(connection, job_id)
    with pytest.raises(Outage, match="nowhere"):
        async with db.connection() as connection:
            await connection.execute("SELECT * FROM nowhere")


@pytest.mark.parametrize("statement", ["SELECT * FROM nowhere", "SELECT nothing FROM jobs"])
async def test_a_database_of_another_version_says_what_to_do(db: Database, statement: str) -> None:
    with pytest.raises(NotMigrated, match="run `scribe database migrate`"):
        async with db.connection() as connection:
            await connection.execute(statement)


async def test_no_free_connection_is_an_outage(database: str) -> None:
    async with Database.open(settings(database, size=1)) as db:
        async with db.transaction():
            db._pool.timeout = 0.2  # from here on: connecting may take longer
            with pytest.raises(Outage, match="no connection is free"):
                async with db.transaction():
                    pass
            db._pool.timeout = 30
        assert await erased(db) == set()


async def test_a_closed_pool_is_an_outage(database: str) -> None:
    async with Database.open(settings(database)) as db:
        pass
    with pytest.raises(Outage):
        async with db.connection():
            pass


async def test_a_server_in_recovery_says_where_the_settings_must_lead(database: str) -> None:
    """What a standby answers to a write; here a session that may only read gives the same refusal."""
    standby = f"{database}{'&' if '?' in database else '?'}options=-c%20default_transaction_read_only%3Don"
    async with Database.open(settings(standby)) as db:
        with pytest.raises(Outage, match="in recovery or read-only: SCRIBE_POSTGRES_DSN must lead to the primary"):
            await db.run(lambda connection: erase(connection, uuid4()))


async def test_a_server_that_is_away_says_why(deaf_port: int) -> None:
    with pytest.raises(Outage, match="refused"):
        async with Database.open(settings(f"postgresql://127.0.0.1:{deaf_port}/x")):
            pass


async def test_a_server_that_is_silent_is_an_outage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(Outage, match="no answer"):
            async with Database.open(settings(dsn), timeout=0.2):
                pass


async def cut_inside(db: Database, proxy: BreakableProxy) -> None:
    async with db.transaction() as connection:
        await erase(connection, uuid4())
        await proxy.cut()
        await connection.execute("SELECT 1")


async def test_a_cut_line_is_an_outage_and_ends_with_it(database: str) -> None:
    """Idle connections, one inside a transaction, and new ones: all fail as Outage, and work again without a restart."""
    async with breakable(address_of(database)) as proxy:
        through = make_conninfo(database, host="127.0.0.1", port=proxy.port)
        async with Database.open(settings(through), timeout=90) as db:
            with pytest.raises(Outage):
                await cut_inside(db, proxy)
            with pytest.raises(Outage):
                async with Database.open(settings(through)):
                    pass
            await proxy.mend()
            assert await erased(db) == set()


async def test_a_session_ended_by_the_server_is_an_outage(db: Database) -> None:
    async def ended() -> None:
        async with db.session() as session, db.transaction() as connection:
            await connection.execute("SELECT pg_terminate_backend(%s)", [session.info.backend_pid])
            await session.execute("SELECT 1")

    with pytest.raises(Outage, match="terminating connection"):
        await ended()


async def test_the_server_gives_up_a_machine_that_is_gone(db: Database) -> None:
    """Every kind of connection tells it so: else locks of a lost machine would stay for hours."""
    query = "SELECT current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('TimeZone') AS zone"
    async with db.session() as session, db.transaction() as pooled:
        for connection in (session, pooled):
            assert await (await connection.execute(query)).fetchone() == {"idle": "1min", "zone": "UTC"}
            if connection.info.host.startswith("/"):  # keepalives are for TCP
                continue
            row = await (await connection.execute("SHOW tcp_keepalives_idle")).fetchone()
            assert row == {"tcp_keepalives_idle": "5"}


async def test_a_session_keeps_its_advisory_lock_until_it_ends(db: Database) -> None:
    async def free(connection: Connection) -> bool:
        row = await (await connection.execute("SELECT pg_try_advisory_xact_lock(7) AS got")).fetchone()
        return bool(row and row["got"])

    async with db.session() as session:
        await session.execute("SELECT pg_advisory_lock(7)")
        assert await db.run(free) is False
    # the server lets go of it when it has noticed that the connection is closed
    async with asyncio.timeout(60):
        while not await db.run(free):
            await asyncio.sleep(0.05)


async def test_transactions_that_meet_are_run_again(db: Database) -> None:
    """Two of them lock two rows in opposite order: one is a deadlock's victim, and is run again."""
    first, second = sorted([uuid4(), uuid4()])
    async with db.transaction() as connection:
        await erase(connection, first)
        await erase(connection, second)
    both_hold_one = asyncio.Barrier(2)
    runs: list[UUID] = []

    async def lock(rows: tuple[UUID, UUID]) -> None:
        async def work(connection: Connection) -> None:
            runs.append(rows[0])
            await connection.execute("SELECT 1 FROM erased_jobs WHERE job_id = %s FOR UPDATE", [rows[0]])
            if len(runs) <= 2:
                await both_hold_one.wait()
            await connection.execute("SELECT 1 FROM erased_jobs WHERE job_id = %s FOR UPDATE", [rows[1]])

        await db.run(work)

    await asyncio.gather(lock((first, second)), lock((second, first)))
    assert len(runs) >= 3  # more when the victim is back before the other one wakes up


async def test_a_conflict_without_end_is_told(db: Database) -> None:
    runs: list[int] = []

    async def work(connection: Connection) -> None:
        runs.append(1)
        await connection.execute("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")

    with pytest.raises(Conflict, match="again"):
        await db.run(work, attempts=3)
    assert len(runs) == 3


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (psycopg.errors.AdminShutdown, True),
        (psycopg.errors.CrashShutdown, True),
        (psycopg.errors.CannotConnectNow, True),
        (psycopg.errors.TooManyConnections, True),
        (psycopg.errors.DiskFull, True),
        (psycopg.errors.InvalidPassword, True),
        (psycopg.errors.InvalidCatalogName, True),
        (psycopg.errors.LockNotAvailable, True),
        (psycopg.errors.ReadOnlySqlTransaction, True),
        (psycopg.errors.InsufficientPrivilege, True),
        (psycopg.errors.UndefinedTable, True),
        (psycopg.errors.UndefinedColumn, True),
        (psycopg.errors.InFailedSqlTransaction, True),
        (psycopg.OperationalError, True),
        (psycopg.errors.NotNullViolation, False),
        (psycopg.DataError, False),
        (psycopg.errors.ProgramLimitExceeded, False),
        (psycopg.errors.UniqueViolation, False),
        (psycopg.errors.StringDataRightTruncation, False),
        (psycopg.InterfaceError, False),
    ],
)
async def test_an_outage_is_told_from_a_fault_of_the_record(error: type[psycopg.Error], away: bool) -> None:
    assert is_away(error()) is away


async def test_the_connection_string_wins_over_our_defaults() -> None:
    found = conninfo_to_dict(with_defaults("postgresql://h/db?application_name=mine&connect_timeout=9"))
    assert (found["application_name"], str(found["connect_timeout"]), found["host"]) == ("mine", "9", "h")
    assert "tcp_user_timeout" in found


async def test_a_bad_connection_string_names_its_variable_and_no_password() -> None:
    with pytest.raises(SettingsError, match="SCRIBE_POSTGRES_DSN"):
        with_defaults("not a dsn")


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:kanari@h:1/db?nonsense=1",
        "postgresql://u:p@kanari@h/db",
        "postgresql://u:kanari/x@h/db",
        "postgresql://u:%kanari@h/db",
        "host=h password=kan ari",
        "host=h user=u kanari",
    ],
)
async def test_no_part_of_a_password_is_told(dsn: str) -> None:
    """Libpq takes what follows a special character for a host, a port or an option, and says so."""
    with pytest.raises(SettingsError) as caught:
        with_defaults(dsn)
    assert "kanari" not in str(caught.value)
    assert "ari" not in str(caught.value).split("such as")[0]
    assert caught.value.__cause__ is None


def address_of(dsn: str) -> Opener:
    parts = conninfo_to_dict(dsn)
    host, port = str(parts["host"]), int(str(parts.get("port") or 5432))
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
