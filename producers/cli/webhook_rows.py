"""What the commands of `scribe webhooks` share: transactions, how an endpoint is named, rows as tables and as JSON."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar
from uuid import UUID

import typer
from rich.table import Table
from rich.text import Text

from producers.cli.keys import with_database
from producers.plain_text import one_line
from schemas.errors import Rejected
from sink.deliveries import endpoint_id
from sink.endpoints import Endpoint, find_endpoint
from sink.postgres import Connection, Database
from sink.webhook_ledger import Attempt, Delivery

T = TypeVar("T")


def in_transaction(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run `work` in one transaction of the database of the environment."""

    async def run(database: Database) -> T:
        async with database.transaction() as connection:
            return await work(connection)

    return with_database(run)


def is_id(text: str) -> bool:
    """Whether it is an id, not an address."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


async def endpoint_of(connection: Connection, which: str, tenant: str | None) -> Endpoint:
    """The endpoint with this id, or this address of the tenant; raises Rejected(not_found)."""
    if not is_id(which) and tenant is None:
        raise typer.BadParameter("an address needs --tenant", param_hint="--tenant")
    found = await find_endpoint(connection, UUID(which) if is_id(which) else endpoint_id(tenant or "", which), tenant)
    if found is None:
        raise Rejected("not_found", which if tenant is None else f"tenant '{tenant}' has no endpoint {which}")
    return found


def facts(row: Endpoint | Delivery | Attempt) -> dict[str, object]:
    """A row as JSON has it."""
    return {name: json.loads(json.dumps(value, default=str)) for name, value in asdict(row).items()}


def endpoint_table(endpoints: Iterable[Endpoint]) -> Table:
    """One line an endpoint."""
    table = _table("TENANT", "URL", "STATE", "A SECOND", "SINCE", "NOTE")
    for endpoint in endpoints:
        state = f"{endpoint.state}: {endpoint.reason}" if endpoint.reason else endpoint.state
        pace = "default" if endpoint.max_per_second is None else f"{endpoint.max_per_second:g}"
        since = f"{endpoint.created_at:%Y-%m-%d %H:%M}"
        table.add_row(*_cells(endpoint.tenant, endpoint.url, state, pace, since, endpoint.description))
    return table


def delivery_table(deliveries: Iterable[Mapping[str, Any]]) -> Table:
    """One line a delivery."""
    table = _table("ID", "TYPE", "NUMBER", "STATE", "ATTEMPTS", "LAST", "SCHEDULED", "URL")
    for row in deliveries:
        last = row["status"] or row["outcome"]
        seen = (row["delivery_id"], row["type"], row["sequence"], row["state"], row["attempts"], last)
        table.add_row(*_cells(*seen, row["created_at"][:16], row["url"]))
    return table


def attempt_table(attempts: Iterable[Mapping[str, Any]]) -> Table:
    """One line an attempt."""
    table = _table("ATTEMPT", "BEGUN", "OUTCOME", "STATUS", "MS", "ANSWER")
    for row in attempts:
        words = row["error"] or row["answer"]
        seen = (row["outcome"] or "unknown", row["status"], row["latency_ms"], words)
        table.add_row(*_cells(row["attempt"], row["started_at"][:19], *seen))
    return table


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, header_style="bold", padding=(0, 2, 0, 0))


def _cells(*values: object) -> list[Text]:
    """As they are: what strangers wrote is no markup, and no terminal obeys it."""
    return [Text("" if value is None else one_line(str(value))) for value in values]
