"""Arguments and options of `scribe webhooks list|show|secret|rotate|enable|disable|reencrypt`."""

from typing import Annotated

import typer

from producers.cli.commands.options import Json
from producers.cli.commands.webhooks import deliveries, registration
from producers.cli.commands.webhooks.registration import Which, Whose
from schemas.process.command_line import command_line, deferred_to
from schemas.webhooks.deliveries import MAX_OVERLAP_SECONDS

HELP = """Webhook endpoints and deliveries; needs SCRIBE_POSTGRES_DSN.

An endpoint is an address of a tenant. It is registered by `add`, or when a job first names it, and has a secret of its own.

Does nothing arrive? `deliveries --job JOB` finds the webhook, `show ID` has every attempt, `test URL` sends one now. An endpoint that is disabled says why in `list`: when its receiver is well, `enable` it and `redeliver ID --since TIME`.
"""
app = command_line(HELP)
app.command()(registration.add)
app.command("set")(registration.set_)
app.command()(registration.remove)
app.command()(deliveries.deliveries)
app.command("redeliver")(deliveries.again)
app.command("test")(deliveries.trial)


@app.command("list")
@deferred_to("producers.cli.webhooks.endpoints")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None, as_json: Json = False
) -> None:
    """List endpoints; each was registered ahead, or when a job first named it."""


@app.command()
@deferred_to("producers.cli.webhooks.endpoints")
def show(
    which: Annotated[str, typer.Argument(metavar="ID", help="An endpoint's id or address, or a delivery's id.")],
    tenant: Whose = None,
    as_json: Json = False,
) -> None:
    """Show an endpoint, or a delivery with every attempt."""


@app.command()
@deferred_to("producers.cli.webhooks.endpoints")
def secret(which: Which, tenant: Whose = None) -> None:
    """Print the secret that verifies the signatures of an endpoint's webhooks (Standard Webhooks 1.0.0).

    \b
    scribe webhooks secret https://acme.example/hook --tenant acme
    """


@app.command()
@deferred_to("producers.cli.webhooks.endpoints")
def rotate(
    which: Which,
    tenant: Whose = None,
    overlap: Annotated[
        float, typer.Option(min=0, max=MAX_OVERLAP_SECONDS / 3600, help="Hours for which the old secret signs along.")
    ] = 24.0,
) -> None:
    """Make a new secret and print it; with --overlap 0 the old one is dead at once."""


@app.command()
@deferred_to("producers.cli.webhooks.endpoints")
def enable(which: Which, tenant: Whose = None) -> None:
    """Send to an endpoint again; what it missed is sent by `redeliver`."""


@app.command()
@deferred_to("producers.cli.webhooks.endpoints")
def disable(
    which: Which,
    tenant: Whose = None,
    reason: Annotated[str, typer.Option(help="What its owner is told.")] = "disabled by the operator",
) -> None:
    """Send nothing to an endpoint; its deliveries are written down."""


@app.command()
@deferred_to("producers.cli.webhooks.endpoints")
def reencrypt() -> None:
    """Encrypt every secret under the first key of SCRIBE_WEBHOOK_KEY; the other keys may go when this has run.

    Give all processes the new key before the old one, `NEW,OLD`, first.
    """
