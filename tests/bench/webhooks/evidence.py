"""Gathers what the checker judges: the rows of the database, and the log of the receivers."""

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sink.postgres.database import Database
from sink.webhooks.signature import message_id
from streams.webhooks.dispatcher import DispatcherLimits
from tests.bench.webhooks.checker import Attempt, Delivery, Facts
from tests.bench.webhooks.plan import Plan
from tests.bench.webhooks.receivers import read_calls

_DELIVERIES = """
SELECT d.delivery_id, d.endpoint_id, d.state, d.sequence, d.attempt, d.ended_at, a.applied_at
FROM webhook_deliveries d LEFT JOIN applied_events a USING (event_id)"""
_ATTEMPTS = "SELECT delivery_id, attempt, outcome, status FROM webhook_attempts ORDER BY delivery_id, attempt"
_DISABLED = "SELECT endpoint_id FROM webhook_endpoints WHERE state = 'disabled'"


async def gathered(database: Database, plan: Plan, log: Path, *, kills: int, restarts: int) -> Facts:
    """All that is known after a run."""
    numbers = {plan.endpoint_id(number): number for number in range(plan.endpoints)}
    attempts: dict[Any, list[Attempt]] = defaultdict(list)
    for row in await _rows(database, _ATTEMPTS):
        attempts[row["delivery_id"]].append(Attempt(row["attempt"], row["outcome"], row["status"]))
    deliveries = {
        message_id(row["delivery_id"]): Delivery(
            endpoint=numbers[row["endpoint_id"]],
            state=row["state"],
            sequence=row["sequence"],
            counted=row["attempt"],
            released_at=_seconds(row["applied_at"]) or float("inf"),
            ended_at=_seconds(row["ended_at"]),
            attempts=tuple(attempts[row["delivery_id"]]),
        )
        for row in await _rows(database, _DELIVERIES)
    }
    return Facts(
        expected=plan.known,
        jobs={name: plan.job_id(message.event) for name, message in plan.known.items()},
        deliveries=deliveries,
        disabled=frozenset(numbers[row["endpoint_id"]] for row in await _rows(database, _DISABLED)),
        calls=read_calls(log),
        kills=kills,
        restarts=restarts,
        in_flight=plan.endpoints * DispatcherLimits().calls_per_endpoint,
    )


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


async def _rows(database: Database, query: str) -> list[dict[str, Any]]:
    async with database.connection() as connection:
        return await (await connection.execute(query)).fetchall()
