"""`scribe-streams persist|enhance|webhooks|dispatch|retain`: one process each."""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

import typer

from schemas import logs
from schemas.retention import Rules
from schemas.settings import (
    DispatchProcess,
    EnhanceProcess,
    PersistProcess,
    PostgresSettings,
    RetainProcess,
    ServiceSettings,
    WebhooksProcess,
    load,
)
from schemas.topics import ENHANCE, PERSIST, WEBHOOKS
from sink.deliveries import LEASE_SECONDS
from sink.enhanced_ai.service import enhancer_for
from sink.enhancement_calls import Call
from sink.health_server import HealthServer
from sink.outbound import AsyncOutboundClient
from sink.postgres import Database
from sink.s3 import S3ObjectStore
from sink.schema_registry import serde_for
from sink.webhook_secrets import SecretBox
from streams.agents import enhance as enhance_agents
from streams.agents import persist as persist_agents
from streams.agents import webhooks as webhooks_agents
from streams.app import create_app
from streams.command import main
from streams.dispatcher import Dispatcher, Limits
from streams.enhancing import Enhancements, EnhancingLimits
from streams.leasing import Leaser
from streams.orphans import Orphans
from streams.recipe import Recipe
from streams.retain import Pace as RetainPace
from streams.retain import Retain
from streams.sweep import Sweep
from streams.worker import Parts, exit_on_signals, migrated, opened, run_worker

log = logging.getLogger(__name__)


def persist() -> None:
    """Does `scribe-streams persist`."""
    settings = load(PersistProcess)

    def compose(database: Database, folder: Path) -> Parts:
        app = create_app(PERSIST, settings, folder, instance_id=settings.worker_id)
        recipe = Recipe(app, serde_for(settings), PERSIST)
        persist_agents.register(app, recipe, persist_agents.Persist(database, S3ObjectStore(settings)))
        return Parts(app, recipe)

    logs.configure(settings, PERSIST)
    run_worker(settings, settings, compose)


def enhance() -> None:
    """Does `scribe-streams enhance`."""
    settings = load(EnhanceProcess)

    def compose(database: Database, folder: Path) -> Parts:
        app = create_app(ENHANCE, settings, folder, instance_id=settings.worker_id)
        recipe = Recipe(app, serde_for(settings), ENHANCE)
        enhance_agents.register(app, recipe, enhance_agents.Enhance(database))
        return Parts(app, recipe)

    logs.configure(settings, ENHANCE)
    run_worker(settings, settings, compose)


def webhooks() -> None:
    """Does `scribe-streams webhooks`."""
    settings = load(WebhooksProcess)
    secrets = SecretBox.of(settings)

    def compose(database: Database, folder: Path) -> Parts:
        app = create_app(WEBHOOKS, settings, folder, instance_id=settings.worker_id)
        recipe = Recipe(app, serde_for(settings), WEBHOOKS)
        webhooks_agents.register(app, recipe, webhooks_agents.Webhooks(database, secrets, settings.public_url))
        return Parts(app, recipe)

    logs.configure(settings, WEBHOOKS)
    run_worker(settings, settings, compose)


def dispatch() -> None:
    """Does `scribe-streams dispatch`."""
    settings = load(DispatchProcess)
    logs.configure(settings, "scribe.dispatch")
    exit_on_signals()
    asyncio.run(run_dispatchers(settings, settings, dispatchers_of(settings)))


def retain(once: bool) -> None:
    """Does `scribe-streams retain`."""
    settings = load(RetainProcess)
    logs.configure(settings, "scribe.retain")
    exit_on_signals()
    if not asyncio.run(run_retain(settings, once=once)):
        raise typer.Exit(1)


async def run_retain(settings: RetainProcess, *, once: bool) -> bool:
    """Sweep until SIGTERM or SIGINT, or once; False when something over was left behind."""
    started: list[Retain] = []
    stop = asyncio.Event()
    with HealthServer(settings, ready=lambda: started[0].waiting if started else "starting"):
        migrated(settings)
        async with opened(settings) as database:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            store = S3ObjectStore(settings)
            sweep = Sweep(database, store, Rules(settings.retention_days))
            pace = RetainPace(sweep_seconds=settings.retention_minutes * 60)
            started.append(Retain(database, sweep, Orphans(database, store), pace))
            if once:
                return await started[0].once(stop)
            await started[0].run(stop)
            return True


Dispatchers = tuple[Dispatcher | Leaser[Call], ...]
Made = Callable[[Database], Dispatchers]


async def run_dispatchers(service: ServiceSettings, postgres: PostgresSettings, make: Made) -> None:
    """Work until SIGTERM or SIGINT."""
    started: list[Dispatcher | Leaser[Call]] = []
    stop = asyncio.Event()

    def not_ready() -> str | None:
        return next((d.waiting for d in started if d.waiting), None) if started else "starting"

    with HealthServer(service, ready=not_ready):
        migrated(postgres)
        async with opened(postgres) as database:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            started.extend(make(database))
            await asyncio.gather(*(dispatcher.run(stop) for dispatcher in started))


def dispatchers_of(settings: DispatchProcess) -> Made:
    """Makes what this process runs, given the database; all mistakes of the settings are found before."""
    secrets = SecretBox.of(settings)
    client = AsyncOutboundClient(settings, settings.environment)
    enhancer = enhancer_for(settings, settings, settings.environment)
    poll = max(0.05, settings.time_scale)
    limits = Limits(
        call_seconds=settings.webhook_timeout_seconds,
        drain_seconds=settings.webhook_timeout_seconds + 5,
        time_scale=settings.time_scale,
        poll_seconds=poll,
        # less than some seconds are lost by a process on a busy machine
        lease_seconds=max(3, LEASE_SECONDS * settings.time_scale),
    )
    if enhancer is None:
        log.info("ENHANCED_AI_ENDPOINT is not set: only webhooks are sent")
        return lambda database: (Dispatcher(database, client, secrets, limits),)
    asking = EnhancingLimits(
        places=settings.enhanced_ai_calls,
        calls_per_tenant=max(1, settings.enhanced_ai_calls // 2),
        tokens_per_day=settings.enhanced_ai_tokens_per_day,
        time_scale=settings.time_scale,
        poll_seconds=poll,
    )
    serde = serde_for(settings)

    def make(database: Database) -> Dispatchers:
        work = Enhancements(database, enhancer, settings.enhanced_ai_models, serde, asking)
        return (Dispatcher(database, client, secrets, limits), Leaser(database, work, asking))

    return make


if __name__ == "__main__":
    main()
