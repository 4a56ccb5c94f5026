"""Cases for an open database, each in an event loop of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database

Case = Callable[[Database], Awaitable[Any]]
RunCase = Callable[[Case], Any]


def case_runner(dsn: str) -> RunCase:
    """Runs a case on the database of `dsn`, and returns what it returns."""

    async def main(case: Case) -> Any:
        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": dsn})) as opened:
            return await case(opened)

    return lambda case: asyncio.run(main(case))
