"""Statement timeouts for queries whose cost depends on untrusted input."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import errors

from schemas.errors import Rejected
from sink.postgres.database import Connection

SECONDS = 3.0


@asynccontextmanager
async def limited(connection: Connection, seconds: float) -> AsyncIterator[None]:
    """Limit each statement of the transaction to `seconds` from here on; a timeout is Rejected(search_too_broad)."""
    await connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds * 1000:.0f}"])
    try:
        yield
    except errors.QueryCanceled as error:
        raise Rejected("search_too_broad", f"it was given up after {seconds:g} s") from error
