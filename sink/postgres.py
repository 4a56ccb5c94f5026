"""PostgreSQL: a pool of connections, transactions, and the one place where psycopg's errors become ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import psycopg
import stamina
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from schemas.errors import Outage, SettingsError
from schemas.settings import PostgresSettings

T = TypeVar("T")
Connection = AsyncConnection[DictRow]

# what libpq is told unless the connection string says otherwise; the last four find a server that vanished in ~15 s
_DEFAULTS: dict[str, str] = {
    "application_name": "scribe",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
}
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

# SQLSTATE classes that tell of the server's state and not of the statement: connection, authorization, missing
# database, transaction rollback, resources, operator's intervention, system error
_AWAY_CLASSES = frozenset({"08", "28", "3D", "40", "53", "57", "58"})
_READ_ONLY_SERVER = "25006"  # a standby, in the seconds after a failover
_LOCK_NOT_AVAILABLE = "55P03"


class Conflict(Outage):
    """The transaction met another one (serialization failure, deadlock) and was rolled back; it may be run again."""


class Database:
    """A pool of connections to one database; rows are dictionaries, times are in UTC.

    Errors of connections, servers and locks are raised as Outage; errors of statements stay psycopg's.
    """

    def __init__(self, pool: AsyncConnectionPool[Connection], dsn: str) -> None:
        self._pool = pool
        self._dsn = dsn

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: PostgresSettings, *, timeout: float = 10) -> AsyncIterator["Database"]:
        """Connect; raises Outage with the reason when the server does not answer within `timeout` seconds.

        `timeout` is also how long a transaction may wait for a free connection.
        """
        dsn = with_defaults(settings.postgres_dsn.get_secret_value())
        # the pool would only say that time is over, so the first connection is made by hand for its reason
        async with _connected(dsn, timeout):
            pass
        pool = AsyncConnectionPool(
            dsn,
            connection_class=AsyncConnection[DictRow],
            kwargs={"row_factory": dict_row, "autocommit": True},
            min_size=1,
            max_size=settings.postgres_pool_size,
            timeout=timeout,
            # an attempt that doubles its pauses for minutes would sleep on when the server is long back
            reconnect_timeout=timeout,
            configure=_configure,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )
        async with pool:
            yield cls(pool, dsn)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction: committed at the end, rolled back by any exception."""
        with translated():
            async with self._begun(read_only=None) as connection:
                yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for reading, inside a read-only transaction."""
        with translated(writing=False):
            async with self._begun(read_only=True) as connection:
                yield connection

    @asynccontextmanager
    async def _begun(self, *, read_only: bool | None) -> AsyncIterator[Connection]:
        async with self._pool.connection() as connection:
            # said at every start: a reader that was cancelled could not take it back at its end
            await connection.set_read_only(read_only)
            async with connection.transaction():
                yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """A connection of its own outside the pool, in autocommit: for LISTEN and session-level advisory locks."""
        async with _connected(self._dsn, self._pool.timeout) as connection:
            with translated():
                await _configure(connection)
                yield connection

    async def run(self, work: Callable[[Connection], Awaitable[T]], *, attempts: int = 5) -> T:
        """`work` in a transaction, begun anew when it meets another one; raises Conflict when that does not end.

        `work` may run several times, so its only effects are its statements.
        """
        async for attempt in stamina.retry_context(on=Conflict, attempts=attempts, wait_initial=0.01, wait_max=0.5):
            with attempt:
                async with self.transaction() as connection:
                    return await work(connection)
        raise AssertionError("unreachable: the last attempt returns or raises")


@contextmanager
def translated(*, writing: bool = True) -> Iterator[None]:
    """Turn errors of connections, servers and locks within into Outage; others pass as they are."""
    try:
        yield
    except (PoolTimeout, PoolClosed, TooManyRequests) as error:
        raise Outage(f"PostgreSQL: no connection is free: {error}") from error
    except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected) as error:
        raise Conflict(f"PostgreSQL: {_reason(error)}") from error
    except psycopg.Error as error:
        if not is_away(error, writing=writing):
            raise
        raise Outage(f"PostgreSQL: {_reason(error)}") from error


def is_away(error: psycopg.Error, *, writing: bool = True) -> bool:
    """Whether an error tells of the server or the way to it, so that the same statement may succeed later.

    A refused write does when we were `writing`: the server is a standby. On a connection for reading it is a bug.
    """
    if error.sqlstate is None:  # libpq's own: refused, timed out, closed in the middle
        return isinstance(error, psycopg.OperationalError)
    if error.sqlstate == _READ_ONLY_SERVER:
        return writing
    return error.sqlstate[:2] in _AWAY_CLASSES or error.sqlstate == _LOCK_NOT_AVAILABLE


def with_defaults(dsn: str) -> str:
    """The connection string with our defaults for what it does not say; raises SettingsError if it cannot be read."""
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.ProgrammingError as error:
        raise SettingsError(f"SCRIBE_POSTGRES_DSN: {_reason(error)}") from error
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


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.execute(_SESSION)


def _reason(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error) or type(error).__name__
    return " ".join(text.split())
