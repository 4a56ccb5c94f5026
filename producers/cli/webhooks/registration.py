"""`scribe webhooks add|set|remove`: registers endpoints ahead of use, changes and removes them."""

import sys
from functools import partial
from typing import Any
from uuid import UUID

import typer
from pydantic import ValidationError

from producers.api.webhooks.views import EndpointChange
from producers.cli.terminal.json_lines import print_json
from producers.cli.webhooks.rows import endpoint_facts, endpoint_of, in_transaction
from producers.inputs.validation_errors import invalid
from producers.jobs.webhooks import check_url, known_endpoint
from producers.messages.plain_text import one_line
from schemas.settings.loading import load
from schemas.settings.outbound import OutboundSettings
from schemas.settings.service import ServiceSettings
from schemas.wire.object_keys import check_tenant
from sink.http import client
from sink.postgres.database import Connection
from sink.webhooks.endpoints import Endpoint, change_endpoint, delete_endpoint, ensure_endpoint
from sink.webhooks.secrets import SecretBox

DEFAULT, ALL = "default", "all"  # take back an earlier choice


def add(
    url: str,
    tenant: str,
    description: str | None,
    max_per_second: str | None,
    event: list[str] | None,
    as_json: bool,
) -> None:
    """Implements `scribe webhooks add`."""
    check_tenant(tenant)
    changes = _changes(description, max_per_second, event)
    outbound_settings, environment = load(OutboundSettings), load(ServiceSettings).environment
    check_url(url, partial(client.check_url, settings=outbound_settings, environment=environment))
    box = SecretBox.from_settings(outbound_settings)

    async def register(connection: Connection) -> Endpoint:
        found, _ = await ensure_endpoint(connection, box, tenant, url)
        return await _changed(connection, found.endpoint_id, changes)

    made = in_transaction(register)
    if as_json:
        print_json(endpoint_facts(made))
    else:
        sys.stdout.write(f"{made.endpoint_id}\n")


def set_(
    which: str,
    tenant: str | None,
    description: str | None,
    max_per_second: str | None,
    event: list[str] | None,
) -> None:
    """Implements `scribe webhooks set`."""
    changes = _changes(description, max_per_second, event)
    if not changes:
        raise typer.BadParameter("name what is to be changed", param_hint="--description, --max-per-second, --event")

    async def change(connection: Connection) -> Endpoint:
        return await _changed(connection, (await endpoint_of(connection, which, tenant)).endpoint_id, changes)

    changed = in_transaction(change)
    pace = "the default pace" if changed.max_per_second is None else f"at most {changed.max_per_second:g} a second"
    events = "all events" if changed.events is None else " ".join(changed.events)
    said = ", ".join(filter(None, (pace, events, changed.description)))
    sys.stdout.write(one_line(f"{changed.url}: {said}") + "\n")


def remove(which: str, tenant: str | None, yes: bool) -> None:
    """Implements `scribe webhooks remove`."""
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


def _changes(description: str | None, max_per_second: str | None, events: list[str] | None) -> dict[str, Any]:
    """The named changes, checked by the rules of REST; raises Rejected(invalid_request)."""
    texts = {"description": description, "max_per_second": None if max_per_second == DEFAULT else max_per_second}
    try:
        changed = EndpointChange.model_validate_strings(
            {name: text for name, text in texts.items() if text is not None}
        )
        chosen = EndpointChange.model_validate({"events": None if events == [ALL] else events} if events else {})
    except ValidationError as error:
        raise invalid(error, EndpointChange) from error
    changes = {**changed.model_dump(exclude_unset=True), **chosen.model_dump(exclude_unset=True)}
    return {**changes, "max_per_second": None} if max_per_second == DEFAULT else changes
