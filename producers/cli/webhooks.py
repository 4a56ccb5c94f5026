"""`scribe webhooks`: endpoints and their secrets, for operators who can reach the database."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from producers.cli.keys import Json, with_database
from producers.cli.outcome import print_json
from schemas.errors import Rejected
from schemas.settings import OutboundSettings, load
from sink.endpoints import Endpoint, list_endpoints, read_secret
from sink.webhook_secrets import SecretBox

app = typer.Typer(no_args_is_help=True, help="Webhook endpoints and their secrets; needs SCRIBE_POSTGRES_DSN.")


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None, as_json: Json = False
) -> None:
    """List endpoints; each was registered when a job first named it."""
    endpoints = with_database(lambda database: list_endpoints(database, tenant))
    if as_json:
        print_json([{name: None if v is None else str(v) for name, v in asdict(e).items()} for e in endpoints])
    else:
        Console().print(_table(endpoints))


@app.command()
def secret(
    url: Annotated[str, typer.Argument(help="The address, as the job named it.")],
    tenant: Annotated[str, typer.Option(help="Whose endpoint it is.")],
) -> None:
    """Print the secret that verifies the signatures of an endpoint's webhooks (Standard Webhooks 1.0.0).

    [bold]scribe webhooks secret https://acme.example/hook --tenant acme[/]
    """
    box = SecretBox.of(load(OutboundSettings))
    found = with_database(lambda database: read_secret(database, box, tenant, url))
    if found is None:
        raise Rejected("not_found", f"tenant '{tenant}' has not used {url}")
    sys.stdout.write(f"{found}\n")


def _table(endpoints: tuple[Endpoint, ...]) -> Table:
    table = Table("TENANT", "URL", "STATE", "SINCE", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for endpoint in endpoints:
        state = f"{endpoint.state}: {endpoint.reason}" if endpoint.reason else endpoint.state
        table.add_row(endpoint.tenant, endpoint.url, state, f"{endpoint.created_at:%Y-%m-%d %H:%M}")
    return table
