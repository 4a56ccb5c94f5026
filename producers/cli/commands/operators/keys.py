"""Arguments and options of `scribe keys`."""

from datetime import datetime
from typing import Annotated

import typer

from producers.cli.commands.options import Json, time_option
from schemas.process.command_line import command_line, deferred_to
from schemas.tenants.quotas import MAX_REQUESTS_PER_MINUTE
from schemas.tenants.scopes import MEANINGS, Scope

_SCOPES = "; ".join(f"{scope}: {meaning}" for scope, meaning in MEANINGS.items())

app = command_line("Make, list and end API keys; needs SCRIBE_POSTGRES_DSN.")


@app.command()
@deferred_to("producers.cli.operators.keys")
def create(
    tenant: Annotated[str, typer.Option(help="Whose jobs the key may submit and read.")],
    label: Annotated[str, typer.Option(help="A note, such as who has the key.")] = "",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(metavar="SCOPE", help=f"What it may do, else read and write. May be repeated. {_SCOPES}."),
    ] = None,
    expires_at: Annotated[datetime | None, time_option("When it stops working (UTC).")] = None,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_REQUESTS_PER_MINUTE,
            help="Requests that it may make a minute, else as many as SCRIBE_API_REQUESTS_PER_MINUTE says.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it; it is kept as a digest only, so nobody can see it again.

    \b
    export SCRIBE_API_KEY=$(scribe keys create --tenant acme --label nightly)
    scribe keys create --tenant acme --scope read --expires-at 2031-01-31
    """


@app.command("list")
@deferred_to("producers.cli.operators.keys")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None, as_json: Json = False
) -> None:
    """List keys, ended ones too; the keys themselves are not kept."""


@app.command()
@deferred_to("producers.cli.operators.keys")
def revoke(key_id: Annotated[str, typer.Argument(help="The id that `scribe keys list` shows.")]) -> None:
    """End a key now, in every process."""
