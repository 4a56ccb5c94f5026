"""How long the statements of a transaction may take that strangers shape."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import errors

from schemas.errors import Rejected
from sink.postgres.database import Connection

SECONDS = 3.0


@asynccontextmanager
async def limited(connection: Connection, seconds: float) -> AsyncIterator[None]:
    """Let each statement of the transaction take `seconds` from here on; raises Rejected(search_too_broad) when one is given up."""
    await connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds * 1000:.0f}"])
    try:
        yield
    except errors.QueryCanceled as error:
        raise Rejected("search_too_broad", f"it was given up after {seconds:g} s") from error
