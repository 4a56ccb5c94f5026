"""Everything that an endpoint missed, sent again across a change of its secret: `python -m tests.bench.webhook_replay`.

Exhausted deliveries are sent again by one call. While they arrive the secret is rotated, and the receiver changes to the new
one only later; it verifies each webhook with the one secret that it holds. Needs a running stack, or starts one.
"""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

import typer
from rich.console import Console
from rich.table import Table
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from deploy.local.receiver import Received, Receiver
from deploy.local.stack import Stack
from schemas.settings.outbound import OutboundSettings
from sink.http.client import AsyncOutboundClient
from sink.postgres.database import Database
from sink.webhooks.deliveries import delivery_id
from sink.webhooks.endpoints import change_endpoint, ensure_endpoint, read_secret, rotate_secret
from sink.webhooks.history import RedeliveryPage, redeliver_since
from sink.webhooks.secrets import SecretBox, new_key
from sink.webhooks.signature import message_id
from streams.webhooks.dispatcher import Dispatcher, DispatcherLimits
from tests.bench.webhook_lease import fresh_database, server

OUTBOUND = OutboundSettings.model_validate({"allowed_networks": ["127.0.0.0/8"], "webhook_key": new_key()})
BOX = SecretBox.from_settings(OUTBOUND)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MISSED = """
INSERT INTO webhook_deliveries
    (delivery_id, event_id, endpoint_id, job_id, type, payload, sequence, state, attempt, created_at, next_attempt_at, ended_at)
SELECT delivery_id, event_id, %s, gen_random_uuid(), 'job.completed', '{"type": "job.completed"}', n, 'exhausted', 10,
    now() + n * interval '1 microsecond', now(), now()
FROM unnest(%s::uuid[], %s::uuid[]) WITH ORDINALITY AS missed (delivery_id, event_id, n)"""


@dataclass(slots=True)
class Replayed:
    """What was found: `failures` are webhooks that the receiver's own secret did not verify."""

    expected: set[str]
    seen: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    failures: int = 0
    statement_seconds: float = 0
    seconds: float = 0
    delivered: int = 0
    late: int = 0
    """How many places at most a webhook came after one with a higher number."""


class Holder:
    """A receiver's one secret."""

    def __init__(self, secret: str, found: Replayed) -> None:
        self.webhook = Webhook(secret)
        self._found = found

    def __call__(self, call: Received) -> int:
        """Verify, keep, and take it whatever comes of that."""
        try:
            payload = self.webhook.verify(call.body, call.headers)
        except WebhookVerificationError:
            self._found.failures += 1
            return 204
        self._found.seen.append(call.webhook_id)
        self._found.numbers.append(payload["sequence"])
        return 204


async def replay(database: Database, number: int) -> Replayed:
    """Send `number` missed deliveries again; the secret changes after a third, the receiver's after two."""
    events = [uuid4() for _ in range(number)]
    with Receiver() as receiver:
        async with database.transaction() as connection:
            endpoint = (await ensure_endpoint(connection, BOX, "acme", receiver.url))[0].endpoint_id
            await change_endpoint(connection, endpoint, {"max_per_second": 1000.0})
            deliveries = [delivery_id(event, endpoint) for event in events]
            await connection.execute(MISSED, [endpoint, deliveries, events])
            secret = await read_secret(connection, BOX, endpoint) or ""
        found = Replayed({message_id(delivery) for delivery in deliveries})
        holder = receiver._answer = Holder(secret, found)
        began = time.perf_counter()
        async with database.as_tenant("acme", writing=True) as connection:
            sent = await redeliver_since(connection, endpoint, LONG_AGO, limit=number + 1)
            assert sent == RedeliveryPage(number, None)
        found.statement_seconds = time.perf_counter() - began
        await _sent(database, endpoint, holder, found, number)
        found.seconds = time.perf_counter() - began
    async with database.connection() as connection:
        query = "SELECT count(*) AS number FROM webhook_deliveries WHERE state = 'delivered'"
        (row,) = await (await connection.execute(query)).fetchall()
    found.delivered, found.late = row["number"], _late(found.numbers)
    return found


async def _sent(database: Database, endpoint: UUID, holder: Holder, found: Replayed, number: int) -> None:
    stop = asyncio.Event()
    client = AsyncOutboundClient(OUTBOUND, "development")
    sending = asyncio.create_task(Dispatcher(database, client, BOX, DispatcherLimits(poll_seconds=0.05)).run(stop))

    async def arrived(least: int) -> None:
        while len(found.seen) + found.failures < least:
            await asyncio.sleep(0.01)

    await arrived(number // 3)
    async with database.transaction() as connection:
        rotated = await rotate_secret(connection, BOX, endpoint, 3600)
    only_old = await _leases(database)
    await arrived(2 * number // 3)
    assert rotated is not None
    while only_old & await _leases(database):  # a call that was signed before the change may take its time
        await asyncio.sleep(0.01)
    holder.webhook = Webhook(rotated.secret)
    await arrived(number)
    stop.set()
    await sending


async def _leases(database: Database) -> set[UUID]:
    async with database.connection() as connection:
        query = "SELECT lease_token FROM webhook_deliveries WHERE lease_token IS NOT NULL"
        return {row["lease_token"] for row in await (await connection.execute(query)).fetchall()}


def _late(numbers: list[int]) -> int:
    highest, late = 0, 0
    for number in numbers:
        highest = max(highest, number)
        late = max(late, highest - number)
    return late


async def measure(stack: Stack, number: int) -> Replayed:
    """The same on a fresh database."""
    async with fresh_database(stack) as database:
        return await replay(database, number)


def main(number: Annotated[int, typer.Option(help="Missed deliveries.")] = 10_000) -> None:
    """Measure and print; exit code 1 when a promise was broken."""
    with server() as stack:
        found = asyncio.run(measure(stack, number))
    table = Table("missed", "delivered", "other ids", "twice", "not verified", "out of order by", "call s", "all s")
    others, twice = len(set(found.seen) - found.expected), len(found.seen) - len(set(found.seen))
    counts = (number, found.delivered, others, twice, found.failures, found.late)
    table.add_row(*map(str, counts), f"{found.statement_seconds:.2f}", f"{found.seconds:.1f}")
    Console().print(table)
    if (found.delivered, others, twice, found.failures) != (number, 0, 0, 0):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
