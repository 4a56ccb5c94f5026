"""`scribe-streams persist|webhooks|dispatch`: one process each."""

import asyncio
import signal
import sys
from pathlib import Path

import typer

from schemas import logs
from schemas.errors import ScribeError
from schemas.settings import (
    DispatchProcess,
    PersistProcess,
    PostgresSettings,
    ServiceSettings,
    WebhooksProcess,
    load,
)
from schemas.topics import PERSIST, WEBHOOKS
from sink.health_server import HealthServer
from sink.outbound import AsyncOutboundClient
from sink.postgres import Database
from sink.s3 import S3ObjectStore
from sink.schema_registry import serde_for
from sink.webhook_secrets import SecretBox
from streams.agents import persist as persist_agents
from streams.agents import webhooks as webhooks_agents
from streams.app import create_app
from streams.dispatcher import Dispatcher, Limits
from streams.recipe import Recipe
from streams.worker import Parts, exit_on_signals, migrated, opened, run_worker

cli = typer.Typer(help="The Faust apps and the webhook dispatcher.", no_args_is_help=True, add_completion=False)


@cli.command()
def persist() -> None:
    """Write jobs, transcripts and history into PostgreSQL and the object store."""
    settings = load(PersistProcess)

    def compose(database: Database, folder: Path) -> Parts:
        app = create_app(PERSIST, settings, folder, instance_id=settings.worker_id)
        recipe = Recipe(app, serde_for(settings), PERSIST)
        persist_agents.register(app, recipe, persist_agents.Persist(database, S3ObjectStore(settings)))
        return Parts(app, recipe)

    logs.configure(settings, PERSIST)
    run_worker(settings, settings, compose)


@cli.command()
def webhooks() -> None:
    """Schedule a webhook for every end of a job whose request names one."""
    settings = load(WebhooksProcess)
    secrets = SecretBox.of(settings)

    def compose(database: Database, folder: Path) -> Parts:
        app = create_app(WEBHOOKS, settings, folder, instance_id=settings.worker_id)
        recipe = Recipe(app, serde_for(settings), WEBHOOKS)
        webhooks_agents.register(app, recipe, webhooks_agents.Webhooks(database, secrets, settings.public_url))
        return Parts(app, recipe)

    logs.configure(settings, WEBHOOKS)
    run_worker(settings, settings, compose)


@cli.command()
def dispatch() -> None:
    """Send the scheduled webhooks, signed, until each is delivered or given up."""
    settings = load(DispatchProcess)
    secrets = SecretBox.of(settings)
    client = AsyncOutboundClient(settings, settings.environment)
    limits = Limits(
        call_seconds=settings.webhook_timeout_seconds,
        drain_seconds=settings.webhook_timeout_seconds + 5,
        time_scale=settings.time_scale,
        poll_seconds=max(0.05, settings.time_scale),
    )
    logs.configure(settings, "scribe.dispatch")
    exit_on_signals()
    asyncio.run(run_dispatcher(settings, settings, client, secrets, limits))


async def run_dispatcher(
    service: ServiceSettings,
    postgres: PostgresSettings,
    client: AsyncOutboundClient,
    secrets: SecretBox,
    limits: Limits,
) -> None:
    """Send webhooks until SIGTERM or SIGINT."""
    started: list[Dispatcher] = []
    stop = asyncio.Event()
    with HealthServer(service, ready=lambda: started[0].waiting if started else "starting"):
        migrated(postgres)
        async with opened(postgres) as database:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            started.append(Dispatcher(database, client, secrets, limits))
            await started[0].run(stop)


def main() -> None:
    """Run the command line; a wrong environment is told in one line a mistake."""
    try:
        cli()
    except ScribeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
