"""The events of a run, through the sink functions that the persist and webhooks apps use."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from schemas.errors import Outage
from schemas.webhooks.deliveries import DeliveryState
from sink.postgres.database import Connection, Database
from sink.postgres.job_lock import lock
from sink.webhooks.deliveries import NewDelivery, add, register_endpoint, release
from sink.webhooks.secrets import SecretBox
from tests.bench.webhooks.plan import Plan

ASKED = b"what was asked for"
PAUSE_SECONDS = 0.2
AHEAD = 20_000  # deliveries that may wait at most: a backlog is there, and events keep coming all the time


async def register(database: Database, plan: Plan, secrets: SecretBox) -> None:
    """Make the endpoints, with the secrets that the receivers know."""
    async with database.transaction() as connection:
        for number in range(plan.endpoints):
            sealed = secrets.seal(plan.secret(number), plan.endpoint_id(number))
            await register_endpoint(connection, plan.tenant(number), plan.url(number), sealed)


async def load(
    database: Database, plan: Plan, ended: Callable[[], int], loaded: Callable[[int], None], gated_seconds: float = 0
) -> None:
    """Schedule every event at every endpoint; half of them `gated_seconds` before their result is applied, half after."""
    for event in range(plan.events):
        while event * plan.endpoints - ended() > AHEAD:
            await asyncio.sleep(PAUSE_SECONDS)
        steps = (_schedule, _apply) if event % 2 else (_apply, _schedule)
        for step in steps:
            await asyncio.sleep(gated_seconds if step is steps[1] is _apply else 0)
            await database.run_when_back(lambda c, step=step, event=event: step(c, plan, event), PAUSE_SECONDS)  # type: ignore[misc]
        loaded((event + 1) * plan.endpoints)


async def tell(database: Database, plan: Plan, event: int, endpoint: int) -> None:
    """Schedule an event at one endpoint, and apply its result in the same transaction."""
    async with database.transaction() as connection:
        await _schedule(connection, plan, event, (endpoint,))
        await _apply(connection, plan, event)


async def _schedule(connection: Connection, plan: Plan, event: int, endpoints: Iterable[int] = ()) -> None:
    job_id = plan.job_id(event)
    data = {"job_id": str(job_id), "run": 1, "text": f"event {event}: שלום, it's done"}
    payload = {"type": "job.completed", "timestamp": "2026-01-01T00:00:00Z", "data": data}
    new = NewDelivery(event_id=plan.event_id(event), job_id=job_id, type="job.completed", payload=payload, asked=ASKED)
    for endpoint in endpoints or range(plan.endpoints):
        await add(connection, plan.endpoint_id(endpoint), new)


async def _apply(connection: Connection, plan: Plan, event: int) -> None:
    job_id, event_id = plan.job_id(event), plan.event_id(event)
    await lock(connection, job_id)
    await connection.execute(
        "INSERT INTO applied_events (event_id, job_id, asked) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [event_id, job_id, ASKED],
    )
    await release(connection, [event_id])


async def standing(database: Database) -> dict[str, int]:
    """How many deliveries are in each state; raises Outage."""
    async with database.connection() as connection:
        rows: list[dict[str, Any]] = await (
            await connection.execute("SELECT state, count(*) AS number FROM webhook_deliveries GROUP BY state")
        ).fetchall()
    return {row["state"]: row["number"] for row in rows}


async def ended(database: Database) -> int | None:
    """How many deliveries have come to an end; None while the database is away."""
    try:
        found = await standing(database)
    except Outage:
        return None
    return sum(number for state, number in found.items() if state != DeliveryState.PENDING)
