"""`scribe webhooks add|set|remove`: endpoints registered ahead of use, changed and forgotten."""

import sys
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError

from producers.api.webhook_views import EndpointChange
from producers.cli.keys import Json
from producers.cli.outcome import print_json
from producers.cli.webhook_rows import endpoint_of, facts, in_transaction
from producers.findings import invalid
from producers.plain_text import one_line
from producers.webhooks import check_url, known_endpoint
from schemas.objects import check_tenant
from schemas.settings import OutboundSettings, ServiceSettings, load
from sink import outbound
from sink.endpoints import Endpoint, change_endpoint, delete_endpoint, ensure_endpoint
from sink.postgres import Connection
from sink.webhook_secrets import SecretBox

Which = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Its id, or its address and --tenant.")]
Whose = Annotated[str | None, typer.Option("--tenant", help="Whose endpoint the address is.")]
Note = Annotated[str | None, typer.Option("--description", help="A note, such as what listens there.")]
Pace = Annotated[str | None, typer.Option("--max-per-second", metavar="NUMBER|default", help="Most webhooks a second.")]


def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="The address that is to get webhooks.")],
    tenant: Annotated[str, typer.Option(help="Whose jobs are announced there.")],
    description: Note = None,
    max_per_second: Pace = None,
    as_json: Json = False,
) -> None:
    """Register an address before a job names it, and print its id; needs SCRIBE_WEBHOOK_KEY.

    [bold]scribe webhooks add https://acme.example/hook --tenant acme --max-per-second 20[/]

    One that is there keeps its secret and its state. `scribe webhooks secret ID` prints the secret that its receiver needs.
    """
    check_tenant(tenant)
    changes = _changes(description, max_per_second)
    outbound_settings, environment = load(OutboundSettings), load(ServiceSettings).environment
    check_url(url, partial(outbound.check_url, settings=outbound_settings, environment=environment))
    box = SecretBox.of(outbound_settings)

    async def register(connection: Connection) -> Endpoint:
        found, _ = await ensure_endpoint(connection, box, tenant, url)
        return await _changed(connection, found.endpoint_id, changes)

    made = in_transaction(register)
    if as_json:
        print_json(facts(made))
    else:
        sys.stdout.write(f"{made.endpoint_id}\n")


def set_(which: Which, tenant: Whose = None, description: Note = None, max_per_second: Pace = None) -> None:
    """Change what is named; `scribe webhooks enable` and `disable` change the state.

    [bold]scribe webhooks set https://acme.example/hook --tenant acme --max-per-second default[/]
    """
    changes = _changes(description, max_per_second)
    if not changes:
        raise typer.BadParameter("name what is to be changed", param_hint="--description, --max-per-second")

    async def change(connection: Connection) -> Endpoint:
        return await _changed(connection, (await endpoint_of(connection, which, tenant)).endpoint_id, changes)

    changed = in_transaction(change)
    pace = "the default pace" if changed.max_per_second is None else f"at most {changed.max_per_second:g} a second"
    sys.stdout.write(one_line(f"{changed.url}: {pace}{changed.description and f', {changed.description}'}") + "\n")


def remove(
    which: Which,
    tenant: Whose = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget an endpoint with its secret and all its deliveries; to send nothing more, `disable` it.

    [bold]scribe webhooks remove https://acme.example/hook --tenant acme[/]

    A job that names the address later registers it anew, with another secret.
    """
    found = in_transaction(lambda connection: endpoint_of(connection, which, tenant))
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("is needed where nobody can be asked", param_hint="--yes")
        typer.confirm(f"Forget {found.url} of {found.tenant} with all its deliveries?", abort=True, err=True)
    in_transaction(lambda connection: delete_endpoint(connection, found.endpoint_id))
    sys.stdout.write(f"{found.url} is forgotten\n")


async def _changed(connection: Connection, endpoint: UUID, changes: dict[str, Any]) -> Endpoint:
    await change_endpoint(connection, endpoint, changes)
    return await known_endpoint(connection, endpoint)


def _changes(description: str | None, max_per_second: str | None) -> dict[str, Any]:
    """What was named, by the rules of REST; raises Rejected(invalid_request)."""
    given: dict[str, Any] = {}
    if description is not None:
        given["description"] = description
    if max_per_second is not None:
        given["max_per_second"] = None if max_per_second == "default" else max_per_second
    try:
        return EndpointChange(**given).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise invalid(error) from error
