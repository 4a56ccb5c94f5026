"""How long a webhook takes to its first attempt while other endpoints hang, against the same without: rounds in turn.

python -m tests.bench.webhook_isolation --rounds 8
"""

import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from schemas.settings.outbound import OutboundSettings
from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database
from sink.webhooks.secrets import SecretBox
from sink.webhooks.signature import message_id
from streams.webhooks.dispatcher import DispatcherLimits
from tests.bench.webhooks.load import register, tell
from tests.bench.webhooks.parts import CALL_SECONDS, Parts, receivers_port
from tests.bench.webhooks.plan import Plan
from tests.bench.webhooks.receivers import read_calls

BOUND = 1.5
TIME_SCALE = (
    CALL_SECONDS / DispatcherLimits().call_seconds
)  # a call that hangs and the pause after it are as in production
WARM_UP_SECONDS = 3.0  # in which calls pile up at the endpoints that hang


@dataclass(frozen=True)
class Latencies:
    """Seconds from the schedule to the first attempt at the receiver, of endpoints that never hang."""

    calm: list[float]
    disturbed: list[float]
    missing: int
    """Deliveries of theirs that no receiver saw."""

    @property
    def ratio(self) -> float:
        """Of the 99th percentiles."""
        return percentile(self.disturbed, 99) / percentile(self.calm, 99)


def percentile(values: list[float], which: int) -> float:
    """The value that `which` of a hundred do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[which - 1]


def measured(plan: Plan, rate: float, folder: Path, say: Console) -> Latencies:
    """Tell every event in its turn, `rate` a second, in calm and disturbed rounds."""
    with Parts(folder, plan, dispatchers=1, time_scale=TIME_SCALE) as parts:
        return asyncio.run(_measured(parts, plan, rate, say))


async def _measured(parts: Parts, plan: Plan, rate: float, say: Console) -> Latencies:
    settings = PostgresSettings.model_validate({"postgres_dsn": parts.dsn})
    secrets = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": parts.key}))
    async with Database.open(settings) as database:
        await register(database, plan, secrets)
        await _started(database, plan, parts)
        rounds = range(plan.single // plan.round_events)
        for number in track(rounds, "rounds", console=say, transient=True):
            await _round(database, plan, rate, number * plan.round_events)
        return await _latencies(database, plan, parts.calls_log, rate)


async def _started(database: Database, plan: Plan, parts: Parts) -> None:
    """Return when the dispatcher sends; event 0 belongs to the warm-up of its round."""
    parts.start_dispatchers()
    await tell(database, plan, 0, 0)
    async with asyncio.timeout(60):
        while not parts.calls_log.stat().st_size:
            await asyncio.sleep(0.1)


async def _round(database: Database, plan: Plan, rate: float, first: int) -> None:
    began = time.monotonic()
    for number in range(plan.round_events):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        event = first + number
        await tell(database, plan, event, event % plan.endpoints)
    await asyncio.sleep(1)
    if plan.is_disturbed(first):
        await _forget_trouble(database, plan)
        await asyncio.sleep(CALL_SECONDS + 1)


async def _forget_trouble(database: Database, plan: Plan) -> None:
    """Let the next round begin as the first: nothing waits, nobody has failed."""
    hanging = [plan.endpoint_id(number) for number in range(plan.endpoints) if plan.is_hanging(number)]
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE webhook_deliveries SET state = 'exhausted', ended_at = now(), lease_token = NULL, lease_until = NULL"
            " WHERE state = 'pending' AND endpoint_id = ANY(%s)",
            [hanging],
        )
        await connection.execute(
            "UPDATE webhook_endpoints SET failing_since = NULL WHERE endpoint_id = ANY(%s)", [hanging]
        )


async def _latencies(database: Database, plan: Plan, log: Path, rate: float) -> Latencies:
    async with database.connection() as connection:
        rows = await (await connection.execute("SELECT delivery_id, created_at FROM webhook_deliveries")).fetchall()
    scheduled = {message_id(UUID(str(row["delivery_id"]))): row["created_at"].timestamp() for row in rows}
    received: dict[str, float] = {}
    for call in read_calls(log):
        received.setdefault(call.webhook_id, call.at)
    found: dict[bool, list[float]] = {False: [], True: []}
    missing = 0
    for name, message in plan.known.items():
        if plan.is_hanging(message.endpoint) or message.event % plan.round_events < WARM_UP_SECONDS * rate:
            continue
        if name in received:
            found[plan.is_disturbed(message.event)].append(received[name] - scheduled[name])
        else:
            missing += 1
    return Latencies(found[False], found[True], missing)


def shown(latencies: Latencies, plan: Plan) -> Table:
    """The measurement as a table."""
    title = f"{plan.hanging} of {plan.endpoints} endpoints hang for {CALL_SECONDS:g} s a call"
    table = Table("to the first attempt", "calls", "median", "p95", "p99", title=title, title_justify="left")
    for name, values in (("all are well", latencies.calm), (f"{plan.hanging} hang", latencies.disturbed)):
        cells = [f"{1000 * percentile(values, which):.0f} ms" for which in (50, 95, 99)]
        table.add_row(name, f"{len(values):,}", *cells)
    table.add_row("ratio of p99", "", "", "", f"{latencies.ratio:.2f}")
    return table


def main(
    endpoints: Annotated[int, typer.Option(help="Endpoints.", min=2)] = 100,
    hanging: Annotated[int, typer.Option(help="How many of them hang in every second round.", min=1)] = 10,
    rounds: Annotated[int, typer.Option(help="Calm and disturbed ones in turn.", min=2)] = 8,
    rate: Annotated[float, typer.Option(help="Events a second, to one endpoint each.", min=1)] = 40,
    seconds: Annotated[float, typer.Option(help="Length of a round.", min=5)] = 15,
) -> None:
    """Measure; exit code 1 when the others' p99 is more than 1.5 times that without."""
    say, length = Console(), int(rate * seconds)
    plan = Plan(
        1, 0, endpoints, receivers_port(), failing=0, single=rounds * length, hanging=hanging, round_events=length
    )
    with tempfile.TemporaryDirectory(prefix="scribe-isolation-") as folder:
        latencies = measured(plan, rate, Path(folder), say)
    say.print(shown(latencies, plan))
    if latencies.missing:
        say.print(f"[bold red]{latencies.missing} deliveries were never received[/]")
    sys.exit(1 if latencies.missing or latencies.ratio > BOUND else 0)


if __name__ == "__main__":
    typer.run(main)
