"""`scribe-streams persist|webhooks|dispatch`: one process each."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import typer

from schemas import logs
from schemas.errors import ScribeError
from schemas.settings import (
    ApiSettings,
    GpuSettings,
    KafkaSettings,
    ObjectStoreSettings,
    OutboundSettings,
    PostgresSettings,
    ServiceSettings,
    load_all,
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
    service, kafka, postgres, objects, worker = _settings(
        KafkaSettings, PostgresSettings, ObjectStoreSettings, GpuSettings
    )

    def compose(database: Database, folder: Path) -> Parts:
        app = create_app(PERSIST, kafka, folder, instance_id=worker.worker_id)
        recipe = Recipe(app, serde_for(kafka), PERSIST)
        persist_agents.register(app, recipe, persist_agents.Persist(database, S3ObjectStore(objects)))
        return Parts(app, recipe)

    logs.configure(service, PERSIST)
    run_worker(service, postgres, compose)


@cli.command()
def webhooks() -> None:
    """Schedule a webhook for every end of a job whose request names one."""
    service, kafka, postgres, outbound, api, worker = _settings(
        KafkaSettings, PostgresSettings, OutboundSettings, ApiSettings, GpuSettings
    )
    secrets = SecretBox.of(outbound)

    def compose(database: Database, folder: Path) -> Parts:
        app = create_app(WEBHOOKS, kafka, folder, instance_id=worker.worker_id)
        recipe = Recipe(app, serde_for(kafka), WEBHOOKS)
        handler = webhooks_agents.Webhooks(database, secrets, api.public_url)
        webhooks_agents.register(app, recipe, handler)
        return Parts(app, recipe)

    logs.configure(service, WEBHOOKS)
    run_worker(service, postgres, compose)


@cli.command()
def dispatch() -> None:
    """Send the scheduled webhooks, signed, until each is delivered or given up."""
    service, postgres, outbound = _settings(PostgresSettings, OutboundSettings)
    secrets = SecretBox.of(outbound)
    client = AsyncOutboundClient(outbound, service.environment)
    limits = Limits(
        call_seconds=outbound.webhook_timeout_seconds,
        time_scale=outbound.time_scale,
        poll_seconds=max(0.05, outbound.time_scale),
    )
    logs.configure(service, "scribe.dispatch")
    exit_on_signals()
    asyncio.run(run_dispatcher(service, postgres, client, secrets, limits))


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


def _settings(*classes: Any) -> tuple[Any, ...]:
    """Those of every process first, then what the command needs; all mistakes are told together."""
    return load_all(ServiceSettings, *classes)


def main() -> None:
    """Run the command line; a wrong environment is told in one line a mistake."""
    try:
        cli()
    except ScribeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
