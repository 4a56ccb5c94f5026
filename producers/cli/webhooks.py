"""`scribe webhooks`: endpoints and their secrets, for operators who can reach the database."""

import json
import sys
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from producers.cli import webhook_deliveries, webhook_endpoints
from producers.cli.keys import Json, with_database
from producers.cli.outcome import print_json
from producers.cli.webhook_endpoints import Which, Whose
from producers.cli.webhook_rows import attempt_table, endpoint_of, endpoint_table, facts, in_transaction, is_id
from producers.plain_text import one_line
from schemas.settings import OutboundSettings, load
from sink.endpoints import (
    MAX_OVERLAP_SECONDS,
    Endpoint,
    list_endpoints,
    read_secret,
    reseal_secrets,
    rotate_secret,
    set_enabled,
)
from sink.postgres import Connection
from sink.webhook_ledger import attempts_of, find_delivery
from sink.webhook_secrets import SecretBox

HELP = """Webhook endpoints and deliveries; needs SCRIBE_POSTGRES_DSN.

An endpoint is an address of a tenant. It is registered by `add`, or when a job first names it, and has a secret of its own.

Does nothing arrive? [bold]deliveries --job JOB[/] finds the webhook, [bold]show ID[/] has every attempt, [bold]test URL[/] sends one now. An endpoint that is disabled says why in [bold]list[/]: when its receiver is well, [bold]enable[/] it and [bold]redeliver ID --since TIME[/].
"""
app = typer.Typer(no_args_is_help=True, help=HELP)
app.command()(webhook_endpoints.add)
app.command("set")(webhook_endpoints.set_)
app.command()(webhook_endpoints.remove)
app.command()(webhook_deliveries.deliveries)
app.command("redeliver")(webhook_deliveries.again)
app.command("test")(webhook_deliveries.trial)


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None, as_json: Json = False
) -> None:
    """List endpoints; each was registered ahead, or when a job first named it."""
    endpoints = in_transaction(lambda connection: list_endpoints(connection, tenant))
    if as_json:
        print_json([facts(endpoint) for endpoint in endpoints])
    else:
        Console().print(endpoint_table(endpoints))


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="ID", help="An endpoint's id or address, or a delivery's id.")],
    tenant: Whose = None,
    as_json: Json = False,
) -> None:
    """Show an endpoint, or a delivery with every attempt."""

    async def read(connection: Connection) -> dict[str, object]:
        found = await find_delivery(connection, UUID(which)) if is_id(which) else None
        if found is None:
            return facts(await endpoint_of(connection, which, tenant))
        return facts(found) | {"ledger": [facts(line) for line in await attempts_of(connection, found.delivery_id)]}

    shown = in_transaction(read)
    if as_json:
        print_json(shown)
        return
    ledger = shown.pop("ledger", None)
    for name, value in shown.items():
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
        sys.stdout.write("" if value in (None, "") else f"{name:<16} {one_line(text)}\n")
    if isinstance(ledger, list) and ledger:
        Console().print(attempt_table(ledger))


@app.command()
def secret(which: Which, tenant: Whose = None) -> None:
    """Print the secret that verifies the signatures of an endpoint's webhooks (Standard Webhooks 1.0.0).

    [bold]scribe webhooks secret https://acme.example/hook --tenant acme[/]
    """
    box = _box()

    async def read(connection: Connection) -> str | None:
        return await read_secret(connection, box, (await endpoint_of(connection, which, tenant)).endpoint_id)

    sys.stdout.write(f"{in_transaction(read)}\n")


@app.command()
def rotate(
    which: Which,
    tenant: Whose = None,
    overlap: Annotated[
        float, typer.Option(min=0, max=MAX_OVERLAP_SECONDS / 3600, help="Hours for which the old secret signs along.")
    ] = 24.0,
) -> None:
    """Make a new secret and print it; with --overlap 0 the old one is dead at once."""
    box = _box()

    async def change(connection: Connection) -> str:
        endpoint = await endpoint_of(connection, which, tenant)
        rotated = await rotate_secret(connection, box, endpoint.endpoint_id, overlap * 3600)
        return rotated.secret if rotated else ""

    sys.stdout.write(f"{in_transaction(change)}\n")


@app.command()
def enable(which: Which, tenant: Whose = None) -> None:
    """Send to an endpoint again; what it missed is sent by `redeliver`."""
    _set_enabled(which, tenant, True, "")


@app.command()
def disable(
    which: Which,
    tenant: Whose = None,
    reason: Annotated[str, typer.Option(help="What its owner is told.")] = "disabled by the operator",
) -> None:
    """Send nothing to an endpoint; its deliveries are written down."""
    _set_enabled(which, tenant, False, reason)


@app.command()
def reencrypt() -> None:
    """Encrypt every secret under the first key of SCRIBE_WEBHOOK_KEY; the other keys may go when this has run.

    Give all processes the new key before the old one, `NEW,OLD`, first.
    """
    box = _box()
    sys.stdout.write(f"{with_database(lambda database: reseal_secrets(database, box))} encrypted anew\n")


def _box() -> SecretBox:
    return SecretBox.of(load(OutboundSettings))


def _set_enabled(which: str, tenant: str | None, enabled: bool, reason: str) -> None:
    async def change(connection: Connection) -> Endpoint:
        endpoint = await endpoint_of(connection, which, tenant)
        await set_enabled(connection, endpoint.endpoint_id, enabled, reason)
        return endpoint

    sys.stdout.write(f"{in_transaction(change).url} is {'enabled' if enabled else 'disabled'}\n")
