"""What a lease costs while a million deliveries of one hanging endpoint are due: `python -m tests.bench.webhook_lease`.

Two databases side by side, one with the backlog and one without; in each round both lease and end the same few deliveries
of healthy endpoints, while the hanging endpoint's calls run on. Needs a running stack (SCRIBE_TEST_STACK), or starts one.
"""

import asyncio
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from deploy.local.stack import Stack
from schemas.settings.outbound import OutboundSettings
from schemas.settings.stores import PostgresSettings
from schemas.webhooks.deliveries import DeliveryState
from sink.http.client import AsyncOutboundClient
from sink.postgres.database import Database
from sink.postgres.migrate import migrate
from sink.webhooks.leases import DeliveryOutcome, LeasedDelivery, finish
from sink.webhooks.secrets import SecretBox, new_key
from streams.webhooks.dispatcher import Deliveries, DispatcherLimits

# endpoints 1 to %(healthy)s are well, the next ones wait for a later attempt, number 0 hangs
FILL_ENDPOINTS = """
INSERT INTO webhook_endpoints (endpoint_id, tenant, url, secret)
SELECT md5(n::text)::uuid, 'tenant-' || n %% 10, 'https://receiver.example/' || n, '' FROM generate_series(0, %s) n"""
FILL_DELIVERIES = """
INSERT INTO webhook_deliveries (delivery_id, event_id, endpoint_id, job_id, type, payload, next_attempt_at)
SELECT gen_random_uuid(), gen_random_uuid(), md5(n::text)::uuid, gen_random_uuid(), 'job.completed', '{}', %s
FROM generate_series(%s::integer, %s::integer) n CROSS JOIN generate_series(1, %s)"""
NOW, PAST, LATER = "now", "yesterday", "tomorrow"


class LeaseHarness:
    """One database: endpoints, a hanging one among them, and a dispatcher's leases."""

    def __init__(self, database: Database) -> None:
        self.database = database
        outbound = OutboundSettings.model_validate({"webhook_key": new_key()})
        client = AsyncOutboundClient(outbound, "production")
        self.work = Deliveries(database, client, SecretBox.from_settings(outbound), DispatcherLimits())
        self.hanging: list[LeasedDelivery] = []

    async def fill(self, healthy: int, waiting: int, backlog: int) -> None:
        """Endpoints, deliveries that wait for tomorrow, and the backlog, of which as many as may be are in the air."""
        async with self.database.transaction() as connection:
            await connection.execute(FILL_ENDPOINTS, [healthy + waiting])
            await connection.execute(FILL_DELIVERIES, [LATER, healthy + 1, healthy + waiting, 1])
            await connection.execute(FILL_DELIVERIES, [PAST, 0, 0, backlog])
        async with self.database.session() as connection:
            await connection.execute("VACUUM ANALYZE webhook_deliveries, webhook_endpoints")
        async with self.database.transaction() as connection:
            self.hanging = await self.work.lease(connection, 100, [])
            await connection.execute(
                "UPDATE webhook_deliveries SET lease_until = 'infinity' WHERE lease_token IS NOT NULL"
            )

    async def round(self, healthy: int) -> float:
        """One delivery to each of the healthy endpoints; gives the seconds of the lease."""
        async with self.database.transaction() as connection:
            await connection.execute(FILL_DELIVERIES, [NOW, 1, healthy, 1])
        own = [call.lease_token for call in self.hanging]
        began = time.perf_counter()
        async with self.database.transaction() as connection:
            leased = await self.work.lease(connection, 256 - len(own), own)
        seconds = time.perf_counter() - began
        assert len(leased) == healthy, f"{len(leased)} of {healthy} were leased"
        async with self.database.transaction() as connection:
            for call in leased:
                await finish(
                    connection, call, DeliveryOutcome(outcome="delivered", status=200), DeliveryState.DELIVERED, None
                )
        return seconds


@contextmanager
def server() -> Iterator[Stack]:
    """The stack of SCRIBE_TEST_STACK, else one for this run."""
    if folder := os.environ.get("SCRIBE_TEST_STACK"):
        yield Stack.attach(Path(folder))
        return
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "stack") as stack:
        yield stack


@asynccontextmanager
async def fresh_database(stack: Stack) -> AsyncIterator[Database]:
    """A migrated database that is dropped in the end."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(stack.postgres_dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            migrate(stack.postgres_dsn(name))
            settings = PostgresSettings.model_validate({"postgres_dsn": stack.postgres_dsn(name)})
            async with Database.open(settings) as database:
                yield database
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def measure(
    stack: Stack, healthy: int, waiting: int, backlog: int, rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds of each lease without and with the backlog."""
    async with fresh_database(stack) as first, fresh_database(stack) as second:
        without, having = LeaseHarness(first), LeaseHarness(second)
        await without.fill(healthy, waiting, 0)
        await having.fill(healthy, waiting, backlog)
        pairs = [(await without.round(healthy), await having.round(healthy)) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def main(
    backlog: Annotated[int, typer.Option(help="Due deliveries of the hanging endpoint.")] = 1_000_000,
    healthy: Annotated[int, typer.Option(help="Endpoints with one due delivery each in every round.")] = 20,
    waiting: Annotated[int, typer.Option(help="Endpoints whose delivery waits for a later attempt.")] = 100,
    rounds: Annotated[int, typer.Option(help="Leases in each database.")] = 200,
) -> None:
    """Measure and print."""
    with server() as stack:
        without, having = asyncio.run(measure(stack, healthy, waiting, backlog, rounds))
    table = Table(
        "lease of", "median ms", "p99 ms", title=f"{rounds} leases, {healthy} healthy endpoints, {waiting} waiting"
    )
    for name, seconds in (("healthy endpoints alone", without), (f"with {backlog:,} due in front", having)):
        table.add_row(
            name, *(f"{1000 * q:.2f}" for q in (statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]))
        )
    console = Console()
    console.print(table)
    console.print(f"ratio of the medians: {statistics.median(having) / statistics.median(without):.2f}")


if __name__ == "__main__":
    typer.run(main)
