"""What order numbers cost when all webhooks go to one endpoint: `python -m tests.bench.webhook_schedule`.

The same deliveries are scheduled by as many workers as the app has, to one endpoint and to a hundred, in turns. Numbers of
one endpoint are given one after the other, so this is the worst case. Needs a running stack, or starts one.
"""

import asyncio
import statistics
import time
from typing import Annotated
from uuid import UUID, uuid4

import typer
from rich.console import Console
from rich.table import Table

from deploy.local.stack import Stack
from schemas.settings.outbound import OutboundSettings
from sink.postgres.database import Connection, Database
from sink.webhooks.deliveries import NewDelivery, add, endpoint_id, register_endpoint
from sink.webhooks.secrets import SecretBox, new_key
from streams.agents.webhooks import CONCURRENCY
from tests.bench.webhook_lease import fresh_database, server

BOX = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": new_key()}))
TENANT = "acme"


async def schedule(database: Database, urls: list[str]) -> float:
    """Deliveries of jobs of their own, one to each address in the list; gives how many a second."""
    left = iter(urls)

    async def worker() -> None:
        for url in left:
            new = NewDelivery(event_id=uuid4(), job_id=uuid4(), type="job.completed", payload={}, asked=b"")
            await database.run(lambda connection, url=url, new=new: _one(connection, url, new))  # type: ignore[misc]

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return len(urls) / (time.perf_counter() - began)


async def _one(connection: Connection, url: str, new: NewDelivery) -> None:
    secret = BOX.new_secret(endpoint_id(TENANT, url))
    endpoint: UUID = await register_endpoint(connection, TENANT, url, secret)
    await add(connection, endpoint, new)


async def measure(stack: Stack, number: int, rounds: int) -> tuple[list[float], list[float]]:
    """Deliveries a second to one endpoint and to a hundred, in turns."""
    one, many = ["https://receiver.example/0"], [f"https://receiver.example/{n}" for n in range(1, 101)]
    async with fresh_database(stack) as database:
        await schedule(database, one + many)
        pairs = [
            (await schedule(database, one * number), await schedule(database, (many * number)[:number]))
            for _ in range(rounds)
        ]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def main(
    number: Annotated[int, typer.Option(help="Deliveries in a round.")] = 1000,
    rounds: Annotated[int, typer.Option(help="Rounds of each kind.")] = 7,
) -> None:
    """Measure and print."""
    with server() as stack:
        one, many = asyncio.run(measure(stack, number, rounds))
    table = Table("to", "deliveries a second (median)", "slowest round")
    for name, rates in (("one endpoint", one), ("a hundred endpoints", many)):
        table.add_row(name, f"{statistics.median(rates):.0f}", f"{min(rates):.0f}")
    console = Console()
    console.print(table)
    console.print(f"ratio of the medians: {statistics.median(one) / statistics.median(many):.2f}")


if __name__ == "__main__":
    typer.run(main)
