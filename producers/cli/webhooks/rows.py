"""Shared parts of the `scribe webhooks` commands: transactions, look-up of endpoints, rows as tables and as JSON."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID

import typer
from pydantic import BaseModel
from rich.table import Table

from producers.api.webhooks.views import delivery_detail, delivery_view, endpoint_view
from producers.cli.operators.database_ids import id_of
from producers.cli.operators.keys import with_database
from producers.cli.terminal.tables import add_row, make_table
from producers.inputs.id_prefix import IdPrefix
from producers.messages.absence import NotThere
from sink.postgres.database import Connection, Database
from sink.postgres.id_lookup import Kind
from sink.webhooks.deliveries import endpoint_id
from sink.webhooks.endpoints import Endpoint, find_endpoint
from sink.webhooks.history import Attempt, WebhookDelivery

T = TypeVar("T")


def in_transaction(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run `work` in one transaction of the database of the environment."""

    async def run(database: Database) -> T:
        async with database.transaction() as connection:
            return await work(connection)

    return with_database(run)


def is_id(text: str) -> bool:
    """Whether a text is an id or the beginning of one, not an address."""
    try:
        IdPrefix.parse(text)
    except ValueError:
        return False
    return True


async def endpoint_of(connection: Connection, which: str, tenant: str | None) -> Endpoint:
    """The endpoint with this id, or this address of the tenant; raises Rejected when none or several match."""
    if is_id(which):
        endpoint = await id_of(connection, IdPrefix.parse(which), Kind.ENDPOINT, tenant=tenant)
    elif "://" not in which:
        raise typer.BadParameter(f"'{which}' is neither an id, nor the first digits of one, nor an address")
    elif tenant is None:
        raise typer.BadParameter("an address needs --tenant", param_hint="--tenant")
    else:
        endpoint = endpoint_id(tenant, which)
    found = await find_endpoint(connection, endpoint, tenant)
    if found is None:
        raise NotThere(f"endpoint {which}" if tenant is None else f"tenant '{tenant}' has no endpoint {which}")
    return found


async def delivery_of(connection: Connection, which: str, tenant: str | None) -> UUID:
    """The delivery with this id or id prefix; raises Rejected when none or several match."""
    return await id_of(connection, IdPrefix.parse(which), Kind.DELIVERY, tenant=tenant)


def endpoint_facts(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as REST shows it, with its tenant."""
    return {"tenant": endpoint.tenant, **_facts(endpoint_view(endpoint))}


def delivery_facts(delivery: WebhookDelivery) -> dict[str, Any]:
    """A delivery as REST lists it, with its tenant."""
    return {"tenant": delivery.tenant, **_facts(delivery_view(delivery))}


def delivery_details(delivery: WebhookDelivery, attempts: list[Attempt]) -> dict[str, Any]:
    """A delivery with its payload and every attempt."""
    return {"tenant": delivery.tenant, **_facts(delivery_detail(delivery, attempts))}


def _facts(view: BaseModel) -> dict[str, Any]:
    return view.model_dump(mode="json", exclude={"links"})


def endpoint_table(endpoints: Iterable[Endpoint]) -> Table:
    """One row for each endpoint."""
    shown = make_table("ID", "TENANT", "URL", "STATE", "A SECOND", "EVENTS", "SINCE (UTC)", "NOTE", whole=("ID",))
    for endpoint in endpoints:
        state = f"{endpoint.state}: {endpoint.reason}" if endpoint.reason else endpoint.state
        pace = "default" if endpoint.max_per_second is None else f"{endpoint.max_per_second:g}"
        since = f"{endpoint.created_at:%Y-%m-%d %H:%M}"
        events = "all" if endpoint.events is None else " ".join(endpoint.events)
        seen = (endpoint.endpoint_id, endpoint.tenant, endpoint.url, state, pace, events, since, endpoint.description)
        add_row(shown, seen)
    return shown


def delivery_table(deliveries: Iterable[Mapping[str, Any]]) -> Table:
    """One row for each delivery."""
    titles = ("ID", "TYPE", "NUMBER", "STATE", "ATTEMPTS", "LAST", "SCHEDULED (UTC)", "URL")
    shown = make_table(*titles, whole=("ID",))
    for row in deliveries:
        last = row["status"] or row["outcome"]
        seen = (row["delivery_id"], row["type"], row["sequence"], row["state"], row["attempts"], last)
        add_row(shown, [*seen, row["created_at"][:16], row["url"]])
    return shown


def attempt_table(attempts: Iterable[Mapping[str, Any]]) -> Table:
    """One row for each attempt."""
    shown = make_table("ATTEMPT", "BEGUN (UTC)", "OUTCOME", "STATUS", "MS", "ANSWER")
    for row in attempts:
        words = row["error"] or row["answer"]
        seen = (row["outcome"] or "unknown", row["status"], row["latency_ms"], words)
        add_row(shown, [row["attempt"], row["started_at"][:19], *seen])
    return shown
