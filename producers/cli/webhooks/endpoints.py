"""`scribe webhooks`: endpoints and their secrets, for operators who can reach the database."""

import json
import sys

from producers.cli.operators.database_ids import id_of
from producers.cli.operators.keys import with_database
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.tables import show_rows, show_table
from producers.cli.webhooks.rows import (
    attempt_table,
    delivery_details,
    endpoint_facts,
    endpoint_of,
    endpoint_table,
    in_transaction,
    is_id,
)
from producers.inputs.id_prefix import IdPrefix
from producers.messages.plain_text import one_line
from schemas.settings.loading import load
from schemas.settings.outbound import OutboundSettings
from sink.postgres.database import Connection
from sink.postgres.id_lookup import Kind
from sink.webhooks.endpoints import (
    Endpoint,
    list_endpoints,
    read_secret,
    reseal_secrets,
    rotate_secret,
    set_enabled,
)
from sink.webhooks.history import attempts_of, find_delivery
from sink.webhooks.secrets import SecretBox


def list_(tenant: str | None, as_json: bool) -> None:
    """Implements `scribe webhooks list`."""
    endpoints = in_transaction(lambda connection: list_endpoints(connection, tenant))
    if as_json:
        print_json(map(endpoint_facts, endpoints))
    else:
        show_rows(endpoint_table(endpoints), "no endpoints")


def show(which: str, tenant: str | None, as_json: bool) -> None:
    """Implements `scribe webhooks show`."""

    async def read(connection: Connection) -> dict[str, object]:
        kinds = (Kind.DELIVERY, Kind.ENDPOINT)
        either = await id_of(connection, IdPrefix.parse(which), *kinds, tenant=tenant) if is_id(which) else None
        found = await find_delivery(connection, either, tenant) if either else None
        if found is None:
            return endpoint_facts(await endpoint_of(connection, str(either or which), tenant))
        return delivery_details(found, list(await attempts_of(connection, found.delivery_id)))

    shown = in_transaction(read)
    if as_json:
        print_json(shown)
        return
    ledger = shown.pop("ledger", None)
    for name, value in shown.items():
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
        sys.stdout.write("" if value in (None, "") else f"{name:<16} {one_line(text)}\n")
    if isinstance(ledger, list) and ledger:
        show_table(attempt_table(ledger))


def secret(which: str, tenant: str | None) -> None:
    """Implements `scribe webhooks secret`."""
    box = _box()

    async def read(connection: Connection) -> str | None:
        return await read_secret(connection, box, (await endpoint_of(connection, which, tenant)).endpoint_id)

    sys.stdout.write(f"{in_transaction(read)}\n")


def rotate(which: str, tenant: str | None, overlap: float) -> None:
    """Implements `scribe webhooks rotate`."""
    box = _box()

    async def change(connection: Connection) -> str:
        endpoint = await endpoint_of(connection, which, tenant)
        rotated = await rotate_secret(connection, box, endpoint.endpoint_id, overlap * 3600)
        return rotated.secret if rotated else ""

    sys.stdout.write(f"{in_transaction(change)}\n")


def enable(which: str, tenant: str | None) -> None:
    """Implements `scribe webhooks enable`."""
    _set_enabled(which, tenant, True, "")


def disable(which: str, tenant: str | None, reason: str) -> None:
    """Implements `scribe webhooks disable`."""
    _set_enabled(which, tenant, False, reason)


def reencrypt() -> None:
    """Implements `scribe webhooks reencrypt`."""
    box = _box()
    sys.stdout.write(f"{with_database(lambda database: reseal_secrets(database, box))} encrypted anew\n")


def _box() -> SecretBox:
    return SecretBox.from_settings(load(OutboundSettings))


def _set_enabled(which: str, tenant: str | None, enabled: bool, reason: str) -> None:
    async def change(connection: Connection) -> Endpoint:
        endpoint = await endpoint_of(connection, which, tenant)
        await set_enabled(connection, endpoint.endpoint_id, enabled, reason)
        return endpoint

    sys.stdout.write(f"{in_transaction(change).url} is {'enabled' if enabled else 'disabled'}\n")
