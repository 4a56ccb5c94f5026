"""Arguments and options of `scribe webhooks deliveries|redeliver|test`."""

from datetime import datetime
from typing import Annotated

import typer

from producers.cli.commands.options import Json, id_prefix, time_option
from producers.inputs.id_prefix import IdPrefix
from schemas.process.command_line import deferred_to
from schemas.webhooks.deliveries import MAX_WAIT_SECONDS, WAIT_SECONDS, DeliveryState

Only = Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")]
Whose = Annotated[str | None, typer.Option("--tenant", help="Whose endpoint the address is.")]
Since = Annotated[datetime | None, time_option("Scheduled at this time (UTC) or later.")]


@deferred_to("producers.cli.webhooks.deliveries")
def deliveries(
    tenant: Only = None,
    endpoint: Annotated[str | None, typer.Option(help="Only this endpoint's: its id, or its address.")] = None,
    job: Annotated[IdPrefix | None, typer.Option(parser=id_prefix, metavar="JOB", help="Only this job's.")] = None,
    state: Annotated[DeliveryState | None, typer.Option(help="Only those in this state.")] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List deliveries, the newest first."""


@deferred_to("producers.cli.webhooks.deliveries")
def again(
    which: Annotated[str, typer.Argument(metavar="ID", help="A delivery's id, or an endpoint's id or address.")],
    tenant: Whose = None,
    since: Since = None,
    all_: Annotated[bool, typer.Option("--all", help="Also what was delivered.")] = False,
) -> None:
    """Send a delivery again, or with --since all that an endpoint did not take; each keeps its webhook-id.

    \b
    scribe webhooks redeliver ENDPOINT_ID --since 2026-01-31
    """


@deferred_to("producers.cli.webhooks.deliveries")
def trial(
    url: Annotated[str, typer.Argument(help="The address.")],
    tenant: Annotated[str, typer.Option(help="Whose endpoint it is.")],
    wait: Annotated[float, typer.Option(min=0, max=MAX_WAIT_SECONDS, help="Seconds to wait.")] = WAIT_SECONDS,
) -> None:
    """Send a signed `webhook.test` through the dispatcher, and print how it ended; exit code 1 when it was not taken."""
