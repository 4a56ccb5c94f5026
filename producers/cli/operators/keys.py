"""`scribe keys`: API keys of tenants, for operators who can reach the database."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TypeVar

import typer
from rich.table import Table

from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.tables import add_row, make_table, show_rows
from producers.messages.absence import NotThere
from producers.messages.patience import waiting_for
from schemas.errors import Outage
from schemas.settings.loading import load
from schemas.settings.stores import PostgresSettings
from schemas.tenants.scopes import USUAL, Scope
from sink.postgres.database import Database, NotMigrated, address_of
from sink.tenants.api_keys import KeyInfo, create_key, list_keys, parse_key, revoke_key

T = TypeVar("T")


def create(
    tenant: str,
    label: str,
    scope: list[Scope] | None,
    expires_at: datetime | None,
    requests_per_minute: int | None,
    as_json: bool,
) -> None:
    """Implements `scribe keys create`."""
    scopes, until = frozenset(scope or USUAL), expires_at and expires_at.replace(tzinfo=UTC)
    if until is not None and until <= datetime.now(UTC):
        raise typer.BadParameter("must be in the future", param_hint="--expires-at")
    key = with_database(lambda database: create_key(database, tenant, label, scopes, until, requests_per_minute))
    key_id, _ = parse_key(key) or ("", "")
    if as_json:
        made = {"key_id": key_id, "tenant": tenant, "label": label, "scopes": sorted(scopes), "expires_at": until}
        print_json({"key": key, **made, "requests_per_minute": requests_per_minute})
    else:
        sys.stdout.write(f"{key}\n")


def list_(tenant: str | None, as_json: bool) -> None:
    """Implements `scribe keys list`."""
    keys = with_database(lambda database: list_keys(database, tenant))
    if as_json:
        print_json(asdict(key) for key in keys)
    else:
        show_rows(_table(keys), "no keys")


def revoke(key_id: str) -> None:
    """Implements `scribe keys revoke`."""
    if not with_database(lambda database: revoke_key(database, key_id)):
        raise NotThere(f"no key '{key_id}' that still works")
    sys.stdout.write(f"revoked {key_id}\n")


def with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Run `work` on the database of the environment."""

    settings = load(PostgresSettings)

    async def run() -> T:
        async with AsyncExitStack() as stack:
            with reaching_database(settings):
                database = await stack.enter_async_context(Database.open(settings))
            return await work(database)

    return asyncio.run(run())


@contextmanager
def reaching_database(settings: PostgresSettings) -> Iterator[None]:
    """Context for a first connection: reports a slow answer, and which setting to check when it fails."""
    where = address_of(settings.postgres_dsn.get_secret_value())
    with waiting_for(f"PostgreSQL at {where}"):
        try:
            yield
        except NotMigrated:
            raise
        except Outage as error:
            reason = str(error).split(" Is the server running")[0]
            raise Outage(f"{reason}; is PostgreSQL at {where}? See SCRIBE_POSTGRES_DSN") from error


def _table(keys: tuple[KeyInfo, ...]) -> Table:
    names = ("ID", "TENANT", "LABEL", "SCOPES", "A MINUTE", "CREATED (UTC)", "EXPIRES (UTC)", "REVOKED (UTC)")
    shown = make_table(*names, whole=("ID", "TENANT"))
    for key in keys:
        times = (f"{at:%Y-%m-%d %H:%M}" if at else "" for at in (key.created_at, key.expires_at, key.revoked_at))
        add_row(
            shown, [key.key_id, key.tenant, key.label, " ".join(key.scopes), str(key.requests_per_minute or ""), *times]
        )
    return shown
