"""PostgreSQL access: a connection pool, transactions, and the translation of psycopg's errors.

A transaction sees all rows as the owner of the tables, or a tenant's own under row security (migration 0007).
"""

import asyncio
import logging
import re
import select
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import psycopg
import stamina
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from schemas.errors import Outage, SettingsError
from schemas.settings.stores import PostgresSettings
from sink.postgres.pool_metrics import watch
from sink.process.cancellation import run_to_end, unswallowed
from sink.process.clock_skew import compare_clocks

T = TypeVar("T")
log = logging.getLogger(__name__)
Connection = AsyncConnection[DictRow]
READ_DSN = "SCRIBE_POSTGRES_READ_DSN"

# what libpq is told unless the connection string says otherwise; the last four find a server that vanished in ~15 s
_DEFAULTS: dict[str, str] = {
    "application_name": "scribe",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
}
# of a connection that nobody took meanwhile: then the server is asked whether it is still there
_IDLE_SECONDS = 5.0

# A process that is frozen inside a transaction, or whose machine is gone, must not hold its locks for long: the relay's
# leadership and the leases hang on them. The server's own defaults would take hours.
_SESSION = """
SELECT set_config(name, value, false) FROM (VALUES
    ('TimeZone', 'UTC'),
    ('idle_in_transaction_session_timeout', '60s'),
    ('tcp_keepalives_idle', '5'),
    ('tcp_keepalives_interval', '5'),
    ('tcp_keepalives_count', '2'),
    ('tcp_user_timeout', '15000')
) AS settings (name, value)"""

# Only for the transaction, so that neither the pool nor a proxy that pools transactions hands them on.
_TAKE_ON = "SELECT set_config('role', 'scribe_tenant', true), set_config('scribe.tenant', %s, true)"

# SQLSTATE classes that tell of the statement's own values: data exception, integrity constraint, program limit.
# All others tell of the server or of how it was set up, down to a revoked grant or a table missing after a restore.
_OWN_CLASSES = frozenset({"22", "23", "54"})
_READ_ONLY_SERVER = "25006"  # a standby, in the seconds after a failover
_STANDBY_ADVICE = (
    "; this server is in recovery or read-only: SCRIBE_POSTGRES_DSN must lead to the primary, also after a failover"
    " (several hosts with target_session_attrs=read-write do)"
)
# a row of another tenant: its SQLSTATE is that of a missing grant, its words are in the server's language
_ROW_REFUSED = "ExecWithCheckOptions"
_PORTS = re.compile(r"[0-9,]*")
_NOT_MIGRATED = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)
_CONFLICTS = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
)
_SET_UP = "guc.c"  # where PostgreSQL refuses a role, whoever asked for it


class Conflict(Outage):
    """A transaction conflicted with another one (serialization, deadlock, a lock not free in time) and was rolled back; it may be retried."""


class NotMigrated(Outage):
    """The database lacks tables, columns or functions of this version; passes once it is migrated."""


class _Pooled(AsyncConnection[DictRow]):
    """A connection of the pool, and the time at which it was last taken, in seconds of the monotonic clock."""

    taken_at = 0.0


class Database:
    """A pool of connections to one database; rows are dictionaries, times are in UTC.

    Errors of connections, servers and their set-up are raised as Outage; errors of values stay psycopg's.
    """

    def __init__(self, pool: AsyncConnectionPool[_Pooled], dsn: str) -> None:
        self._pool = pool
        self._dsn = dsn

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: PostgresSettings, *, timeout: float = 10, prepare: bool = True
    ) -> AsyncIterator["Database"]:
        """Connect; raises Outage with the reason when the server does not answer within `timeout` seconds.

        `timeout` is also how long a transaction may wait for a free connection. Without `prepare` no statement outlives
        its transaction, so that a proxy may hand connections of the server around.
        """
        dsn = with_defaults(settings.postgres_dsn.get_secret_value())
        # the pool would only say that time is over, so the first connection is made by hand for its reason
        async with _connected(dsn, timeout) as connection:
            row = await (await connection.execute("SELECT clock_timestamp() AS now")).fetchone()
            if row is not None:
                compare_clocks(row["now"], "PostgreSQL")
        async with cls.pooled(dsn, settings.postgres_pool_size, timeout=timeout, prepare=prepare) as database:
            yield database

    @classmethod
    @asynccontextmanager
    async def pooled(
        cls, dsn: str, size: int, *, timeout: float, prepare: bool = True, variable: str = "SCRIBE_POSTGRES_DSN"
    ) -> AsyncIterator["Database"]:
        """Like `open`, for a server that need not answer yet; `variable` is the setting that `dsn` came from."""
        dsn = with_defaults(dsn, variable)
        pool = AsyncConnectionPool(
            dsn,
            connection_class=_Pooled,
            kwargs={"row_factory": dict_row, "autocommit": True, **({} if prepare else {"prepare_threshold": None})},
            min_size=1,
            max_size=size,
            timeout=timeout,
            # an attempt that doubles its pauses for minutes would sleep on when the server is long back
            reconnect_timeout=timeout,
            configure=_configure,
            check=_check,
            open=False,
        )
        await pool.open()
        watch(pool, "replica" if variable == READ_DSN else "primary")
        try:
            yield cls(pool, dsn)
        finally:
            with unswallowed():
                await pool.close()

    @property
    def dsn(self) -> str:
        """The connection string, for connections outside of the event loop."""
        return self._dsn

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction: committed at the end, rolled back by any exception."""
        with translated():
            async with self._begun(read_only=None) as connection:
                yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A read-only transaction on a connection."""
        with translated(writing=False):
            async with self._begun(read_only=True) as connection:
                yield connection

    @asynccontextmanager
    async def as_tenant(self, tenant: str, *, writing: bool = False) -> AsyncIterator[Connection]:
        """A connection inside a transaction that sees and, if `writing`, changes rows of one tenant only."""
        with translated(writing=writing):
            async with self._begun(read_only=None if writing else True) as connection:
                with _told_of_the_role(connection):
                    await connection.execute(_TAKE_ON, [tenant])
                yield connection

    async def call(self, query: str, values: Mapping[str, Any], *, writing: bool = False) -> DictRow | None:
        """The first row of `call_all`, None when there is none."""
        return next(iter(await self.call_all(query, values, writing=writing)), None)

    async def call_all(self, query: str, values: Mapping[str, Any], *, writing: bool = False) -> list[DictRow]:
        """The rows of one statement that is a transaction of its own, in one round trip.

        It runs as the owner of the tables, unless it calls a function that acts for a tenant (migration 0023).
        """
        with translated(writing=writing):
            async with self._granted() as connection:
                with _told_of_the_role(connection):
                    return await (await connection.execute(query, values)).fetchall()

    @asynccontextmanager
    async def _begun(self, *, read_only: bool | None) -> AsyncIterator[Connection]:
        async with self._granted() as connection:
            # said at every start: a reader that was cancelled could not take it back at its end
            await connection.set_read_only(read_only)
            async with connection.transaction():
                yield connection

    @asynccontextmanager
    async def _granted(self) -> AsyncIterator[Connection]:
        with unswallowed() as check:
            connection = await self._pool.getconn()
            try:
                check()  # the pool may have swallowed a cancellation, or the expiry of a timeout, when it granted this
                async with connection:
                    yield connection
            finally:
                # cancelled while it waits for the pool's lock, the pool would lose the connection for good
                await run_to_end(self._pool.putconn(connection))

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """A connection of its own outside the pool, in autocommit: for LISTEN and session-level advisory locks."""
        async with _connected(self._dsn, self._pool.timeout) as connection:
            with translated():
                await _configure(connection)
                yield connection

    async def run(self, work: Callable[[Connection], Awaitable[T]], *, attempts: int = 5) -> T:
        """Run `work` in a transaction, repeated after conflicts; raises Conflict when they do not end.

        `work` may run several times, so its only effects are its statements.
        """
        async for attempt in stamina.retry_context(on=Conflict, attempts=attempts, wait_initial=0.01, wait_max=0.5):
            with attempt:
                async with self.transaction() as connection:
                    return await work(connection)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def run_when_back(self, work: Callable[[Connection], Awaitable[T]], pause_seconds: float) -> T:
        """Like `run`, but waits for the database as long as necessary, for results that must not be lost."""
        while True:
            try:
                return await self.run(work)
            except Outage as error:
                log.warning("waiting: %s", error)
                await asyncio.sleep(pause_seconds)


@contextmanager
def translated(*, writing: bool = True) -> Iterator[None]:
    """Translate errors of connections, servers and their set-up within into Outage; others pass unchanged."""
    try:
        yield
    except (PoolTimeout, PoolClosed, TooManyRequests) as error:
        raise Outage(f"PostgreSQL: no connection is free: {error}") from error
    except _CONFLICTS as error:
        raise Conflict(f"PostgreSQL: {_reason(error)}") from error
    except psycopg.Error as error:
        if isinstance(error, _NOT_MIGRATED):
            raise NotMigrated(
                f"PostgreSQL: {_reason(error)}: the tables are missing or old: run `scribe database migrate`"
            ) from error
        if not is_away(error, writing=writing):
            raise
        advice = _STANDBY_ADVICE if error.sqlstate == _READ_ONLY_SERVER else ""
        raise Outage(f"PostgreSQL: {_reason(error)}{advice}") from error


def is_away(error: psycopg.Error, *, writing: bool = True) -> bool:
    """Whether an error concerns the server, its set-up or the network, so that the same statement may succeed later.

    A refused write does when we were `writing`: the server is a standby. On a connection for reading it is a bug, and
    so is writing a row of another tenant.
    """
    if error.sqlstate is None:  # libpq's own: refused, timed out, closed in the middle; all else is a fault of ours
        return isinstance(error, psycopg.OperationalError)
    if error.sqlstate == _READ_ONLY_SERVER:
        return writing
    if error.diag.source_function == _ROW_REFUSED:
        return False
    return error.sqlstate[:2] not in _OWN_CLASSES


def with_defaults(dsn: str, variable: str = "SCRIBE_POSTGRES_DSN") -> str:
    """The connection string with our defaults for missing parameters; raises SettingsError if it cannot be parsed."""
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.ProgrammingError:
        given = {"port": "unreadable"}
    # libpq's words repeat what it took for an option, a host or a port, and that may be a part of the password
    if "@" in given.get("host", "")[1:] or not _PORTS.fullmatch(given.get("port", "")):
        raise SettingsError(
            f"{variable}: is not a connection string such as postgresql://user:password@host:5432/database;"
            " special characters of a password are written as %XX, and only options of libpq may follow"
        )
    return make_conninfo(**{**_DEFAULTS, **given})


@asynccontextmanager
async def _connected(dsn: str, timeout: float) -> AsyncIterator[Connection]:
    with translated():
        try:
            async with asyncio.timeout(timeout):
                connection = await AsyncConnection.connect(dsn, autocommit=True, row_factory=dict_row)
        except TimeoutError as error:
            raise Outage(f"PostgreSQL: no answer within {timeout:g} s") from error
        async with connection:
            yield connection


@contextmanager
def _told_of_the_role(connection: Connection) -> Iterator[None]:
    """Explain how to fix it when the tenants' role cannot be assumed."""
    try:
        yield
    except psycopg.Error as error:
        if error.diag.source_file != _SET_UP:
            raise
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            user = connection.info.user
            raise Outage(
                f"PostgreSQL: {user} may not act for tenants: let a superuser run GRANT scribe_tenant TO {user}"
            ) from error
        raise NotMigrated("PostgreSQL: the role scribe_tenant is missing: run `scribe database migrate`") from error


async def _check(connection: _Pooled) -> None:
    """Check that the server answers, where in doubt: a query costs a round trip, reading the socket state none."""
    now = time.monotonic()
    idle, connection.taken_at = now - connection.taken_at, now
    if idle > _IDLE_SECONDS or _has_news(connection.fileno()):
        await AsyncConnectionPool.check_connection(connection)


def _has_news(descriptor: int) -> bool:
    """Whether the server has sent something to an idle connection, usually that it closes it."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.execute(_SESSION)


def address_of(dsn: str) -> str:
    """Host and port of a connection string, without user and password; raises SettingsError for an invalid one."""
    parts = conninfo_to_dict(with_defaults(dsn))
    host = parts.get("host") or parts.get("hostaddr") or "its local socket"
    return f"{host}:{parts.get('port') or 5432}"


def _reason(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error) or type(error).__name__
    return " ".join(text.split())
