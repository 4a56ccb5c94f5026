"""`scribe webhooks deliveries|redeliver|test`: the ledger, and what is sent on request."""

import sys
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from producers.cli.database_ids import id_of
from producers.cli.ids import id_prefix
from producers.cli.keys import Json, with_database
from producers.cli.outcome import print_json
from producers.cli.tables import show_table
from producers.cli.times import TIMES, utc
from producers.cli.webhook_rows import delivery_of, delivery_table, endpoint_of, facts, in_transaction, is_id
from producers.exit_codes import TROUBLE
from producers.id_prefix import IdPrefix
from producers.webhooks import MAX_WAIT_SECONDS, WAIT_SECONDS, outcome_of, send_again, send_all_again, send_test
from schemas.objects import check_tenant
from schemas.requests import webhook_mistakes
from schemas.settings import OutboundSettings, load
from sink.deliveries import State
from sink.id_lookup import Kind
from sink.postgres import Connection, Database
from sink.webhook_ledger import Delivery, Wanted, list_deliveries
from sink.webhook_secrets import SecretBox

Only = Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")]
Whose = Annotated[str | None, typer.Option("--tenant", help="Whose endpoint the address is.")]
Since = Annotated[datetime | None, typer.Option(formats=TIMES, help="Scheduled at this time (UTC) or later.")]


def deliveries(
    tenant: Only = None,
    endpoint: Annotated[str | None, typer.Option(help="Only this endpoint's: its id, or its address.")] = None,
    job: Annotated[IdPrefix | None, typer.Option(parser=id_prefix, metavar="JOB", help="Only this job's.")] = None,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List deliveries, the newest first."""

    async def read(connection: Connection) -> list[dict[str, object]]:
        where = None if endpoint is None else (await endpoint_of(connection, endpoint, tenant)).endpoint_id
        whose = await id_of(connection, job, Kind.JOB, Kind.ERASURE, tenant=tenant) if job else None
        wanted = Wanted(tenant=tenant, endpoint_id=where, job_id=whose, state=state, since=utc(since))
        return [facts(found) for found in await list_deliveries(connection, wanted, limit)]

    found = in_transaction(read)
    if as_json:
        print_json(found)
    else:
        show_table(delivery_table(found))


def again(
    which: Annotated[str, typer.Argument(metavar="ID", help="A delivery's id, or an endpoint's id or address.")],
    tenant: Whose = None,
    since: Since = None,
    all_: Annotated[bool, typer.Option("--all", help="Also what was delivered.")] = False,
) -> None:
    """Send a delivery again, or with --since all that an endpoint did not take; each keeps its webhook-id.

    [bold]scribe webhooks redeliver https://acme.example/hook --tenant acme --since 2026-01-31[/]
    """

    begin = utc(since)
    if begin is not None:
        number = with_database(partial(_send_since, which=which, tenant=tenant, since=begin, only_failed=not all_))
    elif is_id(which):
        in_transaction(partial(_send_one, which=which))
        number = 1
    else:
        raise typer.BadParameter("all that an endpoint did not take needs --since", param_hint="--since")
    sys.stdout.write(f"{number} to be sent again\n")


async def _send_one(connection: Connection, which: str) -> Delivery:
    return await send_again(connection, await delivery_of(connection, which))


async def _send_since(database: Database, which: str, tenant: str | None, since: datetime, *, only_failed: bool) -> int:
    """As many transactions as it takes; what the finished ones did stays when a later one fails."""
    number, after = 0, None
    with Console(stderr=True).status("looking") as shown:
        while True:
            async with database.transaction() as connection:
                endpoint = (await endpoint_of(connection, which, tenant)).endpoint_id
                sent = await send_all_again(connection, endpoint, since, after, only_failed=only_failed)
            number, after = number + sent.number, sent.more_after
            if after is None:
                return number
            shown.update(f"{number:,} to be sent again so far, those until {after[0]:%Y-%m-%d %H:%M:%S} UTC")


def trial(
    url: Annotated[str, typer.Argument(help="The address.")],
    tenant: Annotated[str, typer.Option(help="Whose endpoint it is.")],
    wait: Annotated[float, typer.Option(min=0, max=MAX_WAIT_SECONDS, help="Seconds to wait.")] = WAIT_SECONDS,
) -> None:
    """Send a signed `webhook.test` through the dispatcher, and print how it ended; exit code 1 when it was not taken."""
    check_tenant(tenant)
    box = SecretBox.of(load(OutboundSettings))

    async def run(database: Database) -> Delivery:
        delivery = await send_test(database.transaction, box, tenant, url, datetime.now(UTC))
        return await outcome_of(database.connection, delivery, wait)

    if mistakes := webhook_mistakes(url):
        raise typer.BadParameter("; ".join(mistakes))
    found = with_database(run)
    seen = found.status or found.error or f"no outcome after {wait:g} s; is the dispatcher running?"
    sys.stdout.write(f"{found.state} {found.delivery_id}: {seen}\n")
    if found.state is not State.DELIVERED:
        raise typer.Exit(TROUBLE)
