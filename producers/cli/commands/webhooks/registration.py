"""Arguments and options of `scribe webhooks add|set|remove`."""

from typing import Annotated

import typer

from producers.cli.commands.options import Json
from schemas.process.command_line import deferred_to
from schemas.webhooks.event_types import EVENT_TYPES

Which = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Its id, or its address and --tenant.")]
Whose = Annotated[str | None, typer.Option("--tenant", help="Whose endpoint the address is.")]
Note = Annotated[str | None, typer.Option("--description", help="A note, such as what listens there.")]
Pace = Annotated[str | None, typer.Option("--max-per-second", metavar="NUMBER|default", help="Most webhooks a second.")]
Events = Annotated[
    list[str] | None,
    typer.Option(
        "--event",
        metavar="TYPE|all",
        help=f"Only events of this type. May be repeated. {', '.join(EVENT_TYPES)}.",
    ),
]


@deferred_to("producers.cli.webhooks.registration")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="The address that is to get webhooks.")],
    tenant: Annotated[str, typer.Option(help="Whose jobs are announced there.")],
    description: Note = None,
    max_per_second: Pace = None,
    event: Events = None,
    as_json: Json = False,
) -> None:
    """Register an address before a job names it, and print its id; needs SCRIBE_WEBHOOK_KEY.

    \b
    scribe webhooks add https://acme.example/hook --tenant acme

    One that is there keeps its secret and its state. `scribe webhooks secret ID` prints the secret that its receiver needs.
    """


@deferred_to("producers.cli.webhooks.registration")
def set_(
    which: Which,
    tenant: Whose = None,
    description: Note = None,
    max_per_second: Pace = None,
    event: Events = None,
) -> None:
    """Change what is named; `scribe webhooks enable` and `disable` change the state.

    \b
    scribe webhooks set ENDPOINT_ID --max-per-second 20
    scribe webhooks set ENDPOINT_ID --event job.completed --event job.failed
    """


@deferred_to("producers.cli.webhooks.registration")
def remove(
    which: Which,
    tenant: Whose = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget an endpoint with its secret and all its deliveries; to send nothing more, `disable` it.

    \b
    scribe webhooks remove https://acme.example/hook --tenant acme

    A job that names the address later registers it anew, with another secret.
    """
