"""`scribe keys`: API keys of tenants, for operators who can reach the database."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from producers.cli.outcome import print_json
from producers.cli.tables import add_row, make_table, show_table
from schemas.errors import Rejected
from schemas.settings import PostgresSettings, load
from sink.keys import KeyInfo, create_key, list_keys, parse_key, revoke_key
from sink.postgres import Database

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, help="Make, list and end API keys; needs SCRIBE_POSTGRES_DSN.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    tenant: Annotated[str, typer.Option(help="Whose jobs the key may submit and read.")],
    label: Annotated[str, typer.Option(help="A note, such as who has the key.")] = "",
    as_json: Json = False,
) -> None:
    """Make a key and print it; it is kept as a digest only, so nobody can see it again.

    [bold]export SCRIBE_API_KEY=$(scribe keys create --tenant acme --label "nightly import")[/]
    """
    key = with_database(lambda database: create_key(database, tenant, label))
    key_id, _ = parse_key(key) or ("", "")
    if as_json:
        print_json({"key": key, "key_id": key_id, "tenant": tenant, "label": label})
    else:
        sys.stdout.write(f"{key}\n")


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None, as_json: Json = False
) -> None:
    """List keys, ended ones too; the keys themselves are not kept."""
    keys = with_database(lambda database: list_keys(database, tenant))
    if as_json:
        print_json([{name: _text(value) for name, value in asdict(key).items()} for key in keys])
    else:
        show_table(_table(keys))


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The id that `scribe keys list` shows.")]) -> None:
    """End a key now, in every process."""
    if not with_database(lambda database: revoke_key(database, key_id)):
        raise Rejected("not_found", f"no key '{key_id}' that still works")
    sys.stdout.write(f"revoked {key_id}\n")


def with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Run `work` on the database of the environment."""

    async def run() -> T:
        async with Database.open(load(PostgresSettings)) as database:
            return await work(database)

    return asyncio.run(run())


def _table(keys: tuple[KeyInfo, ...]) -> Table:
    shown = make_table("ID", "TENANT", "LABEL", "CREATED", "REVOKED", whole=("ID", "TENANT"))
    for key in keys:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        add_row(shown, [key.key_id, key.tenant, key.label, f"{key.created_at:%Y-%m-%d %H:%M}", revoked])
    return shown


def _text(value: object) -> str | None:
    return None if value is None else str(value)
