"""`scribe webhooks deliveries|redeliver|test`: the delivery history, redelivery and test deliveries."""

import sys
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import typer
from rich.console import Console

from producers.cli.operators.database_ids import id_of
from producers.cli.operators.keys import with_database
from producers.cli.terminal.interruption import NOTHING_DONE, Count, telling
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.tables import show_rows
from producers.cli.webhooks.rows import delivery_facts, delivery_of, delivery_table, endpoint_of, in_transaction, is_id
from producers.inputs.id_prefix import IdPrefix
from producers.jobs.webhooks import outcome_of, send_again, send_all_again, send_test
from producers.messages.exit_codes import TROUBLE
from schemas.requests.limits import webhook_mistakes
from schemas.settings.loading import load
from schemas.settings.outbound import OutboundSettings
from schemas.webhooks.deliveries import DeliveryState
from schemas.wire.object_keys import check_tenant
from sink.postgres.database import Connection, Database
from sink.postgres.id_lookup import Kind
from sink.webhooks.history import DeliveryFilter, WebhookDelivery, list_deliveries
from sink.webhooks.secrets import SecretBox


def deliveries(
    tenant: str | None,
    endpoint: str | None,
    job: IdPrefix | None,
    state: DeliveryState | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """Implements `scribe webhooks deliveries`."""

    async def read(connection: Connection) -> list[dict[str, object]]:
        where = None if endpoint is None else (await endpoint_of(connection, endpoint, tenant)).endpoint_id
        whose = await id_of(connection, job, Kind.JOB, Kind.ERASURE, tenant=tenant) if job else None
        wanted = DeliveryFilter(tenant=tenant, endpoint_id=where, job_id=whose, state=state, since=since)
        return [delivery_facts(found) for found in await list_deliveries(connection, wanted, limit)]

    found = in_transaction(read)
    if as_json:
        print_json(found)
    else:
        show_rows(delivery_table(found), "no deliveries")


def again(which: str, tenant: str | None, since: datetime | None, all_: bool) -> None:
    """Implements `scribe webhooks redeliver`."""
    count = Count()
    if since is not None:
        send = partial(_send_since, which=which, tenant=tenant, since=since, count=count, only_failed=not all_)
        words = "interrupted: {:,} to be sent again; the same command goes on with those that are not"
        with telling(lambda: words.format(count.done)):
            with_database(send)
    elif all_:
        raise typer.BadParameter(
            "goes with --since: one delivery is sent again whatever became of it", param_hint="--all"
        )
    elif is_id(which):
        in_transaction(partial(_send_one, which=which, tenant=tenant))
        count.add()
    elif "://" not in which:
        raise typer.BadParameter(f"'{which}' is neither an id, nor the first digits of one, nor an address")
    else:
        raise typer.BadParameter("all that an endpoint did not take needs --since", param_hint="--since")
    sys.stdout.write(f"{count.done} to be sent again\n")


async def _send_one(connection: Connection, which: str, tenant: str | None) -> WebhookDelivery:
    return await send_again(connection, await delivery_of(connection, which, tenant), tenant)


async def _send_since(
    database: Database, which: str, tenant: str | None, since: datetime, count: Count, *, only_failed: bool
) -> None:
    """Redeliver in as many transactions as needed; finished ones remain when a later one fails."""
    after = None
    with Console(stderr=True).status("looking") as shown:
        while True:
            async with database.transaction() as connection:
                endpoint = (await endpoint_of(connection, which, tenant)).endpoint_id
                sent = await send_all_again(connection, endpoint, since, after, only_failed=only_failed)
            after = sent.more_after
            count.add(sent.number)
            if after is None:
                return
            shown.update(f"{count.done:,} to be sent again so far, those until {after[0]:%Y-%m-%d %H:%M:%S} UTC")


def trial(url: str, tenant: str, wait: float) -> None:
    """Implements `scribe webhooks test`."""
    check_tenant(tenant)
    box = SecretBox.from_settings(load(OutboundSettings))

    sent: list[UUID] = []

    async def run(database: Database) -> WebhookDelivery:
        delivery = await send_test(database.transaction, box, tenant, url, datetime.now(UTC))
        sent.append(delivery)
        return await outcome_of(database.connection, delivery, wait)

    if mistakes := webhook_mistakes(url):
        raise typer.BadParameter("; ".join(mistakes))
    with telling(
        lambda: f"the test is sent all the same; see: scribe webhooks show {sent[0]}" if sent else NOTHING_DONE
    ):
        found = with_database(run)
    seen = found.status or found.error or f"no outcome after {wait:g} s; is the dispatcher running?"
    sys.stdout.write(f"{found.state} {found.delivery_id}: {seen}\n")
    if found.state is not DeliveryState.DELIVERED:
        raise typer.Exit(TROUBLE)
