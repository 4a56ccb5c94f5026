"""Entry points of `scribe-streams persist|enhance|webhooks|dispatch|retention`, one process each."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import typer

from schemas.process.wait_report import WaitReport, merged
from schemas.settings.loading import load
from schemas.settings.processes import (
    DispatchProcess,
    EnhanceProcess,
    FaustProcess,
    PersistProcess,
    RetentionProcess,
    WebhooksProcess,
)
from schemas.settings.service import ServiceSettings
from schemas.settings.stores import PostgresSettings
from schemas.tenants.retention import RetentionRules
from schemas.topics import ENHANCE, PERSIST, WEBHOOKS
from sink.enhanced_ai.service import enhancer_for
from sink.enhancements.calls import Call
from sink.http.client import AsyncOutboundClient
from sink.jobs.unfinished.stalled import StallLimits
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.process.cancellation import side_by_side, until_stopped
from sink.process.health_server import HealthServer
from sink.process.observation import observe
from sink.process.termination import Termination
from sink.records.kafka.access import AccessGate
from sink.records.marks import RecordMarks
from sink.records.serdes import serde_for
from sink.webhooks.deliveries import LEASE_SECONDS
from sink.webhooks.secrets import SecretBox
from streams.agents import enhance as enhance_agents
from streams.agents import persist as persist_agents
from streams.agents import webhooks as webhooks_agents
from streams.command import main
from streams.enhancements.caller import Enhancements, EnhancingLimits
from streams.kafka.transport import ScribeApp
from streams.retention.orphans import Orphans
from streams.retention.process import RetentionSweeps, SweepTiming
from streams.retention.stall_watch import StallWatch
from streams.retention.sweep import Sweep
from streams.runtime.app import create_app
from streams.runtime.event_loop import EventLoop
from streams.runtime.last_resort import LastResort
from streams.runtime.lease_worker import Leaser
from streams.runtime.worker import WorkerParts, migrated, opened, run_worker
from streams.webhooks.dispatcher import Dispatcher, DispatcherLimits

log = logging.getLogger(__name__)
STOP_SECONDS = 30.0  # beyond the longest webhook call, until the dispatcher is ended by force
RETENTION_GRACE_SECONDS = 45.0  # for a batch of deletions to come to its end
RETENTION_STOP_SECONDS = 60.0


def resort_of(database: Database, group: str) -> LastResort:
    """The last resort of a consumer group, which sets aside records that crash processes; named anew at every start."""
    return LastResort(RecordMarks(database, group, secrets.token_hex(8)))


Agents = Callable[[ScribeApp, EventLoop, Database], None]
"""Adds the agents of a process to its app."""


def faust_command(process: str, group: str, settings: FaustProcess, register: Agents) -> NoReturn:
    """Run the agents of one consumer group as a separate process."""

    def compose(database: Database, folder: Path) -> WorkerParts:
        app = create_app(group, settings, folder, instance_id=settings.worker_id)
        loop = EventLoop(app, serde_for(settings), group, resort=resort_of(database, group))
        register(app, loop, database)
        return WorkerParts(app, loop)

    observe(settings, group)
    run_worker(settings, settings, compose, AccessGate(settings, [process]))


def persist() -> None:
    """Implements `scribe-streams persist`."""
    settings = load(PersistProcess)

    def register(app: ScribeApp, loop: EventLoop, database: Database) -> None:
        persist_agents.register(app, loop, persist_agents.Persist(database, S3ObjectStore(settings)))

    faust_command("persist", PERSIST, settings, register)


def enhance() -> None:
    """Implements `scribe-streams enhance`."""

    def register(app: ScribeApp, loop: EventLoop, database: Database) -> None:
        enhance_agents.register(app, loop, enhance_agents.Enhance(database))

    faust_command("enhance", ENHANCE, load(EnhanceProcess), register)


def webhooks() -> None:
    """Implements `scribe-streams webhooks`."""
    settings = load(WebhooksProcess)
    box = SecretBox.from_settings(settings)

    def register(app: ScribeApp, loop: EventLoop, database: Database) -> None:
        webhooks_agents.register(app, loop, webhooks_agents.Webhooks(database, box, settings.public_url))

    faust_command("webhooks", WEBHOOKS, settings, register)


def dispatch() -> None:
    """Implements `scribe-streams dispatch`."""
    settings = load(DispatchProcess)
    observe(settings, "scribe.dispatch")
    seconds = settings.webhook_timeout_seconds + STOP_SECONDS
    termination = Termination(seconds).install()
    asyncio.run(run_dispatchers(settings, settings, dispatchers_of(settings), termination))


def retention(once: bool) -> None:
    """Implements `scribe-streams retention`."""
    settings = load(RetentionProcess)
    observe(settings, "scribe.retention")
    termination = Termination(RETENTION_STOP_SECONDS).install()
    if not asyncio.run(run_retention(settings, termination, once=once)):
        raise typer.Exit(1)


async def run_retention(settings: RetentionProcess, termination: Termination, *, once: bool) -> bool:
    """Sweep until a stop is requested, or once; False when expired data were left behind."""
    started: list[RetentionSweeps] = []
    with HealthServer(settings, ready=lambda: started[0].waiting if started else "starting"):
        migrated(settings)
        async with opened(settings) as database:
            stop = termination.event()
            store = S3ObjectStore(settings)
            sweep = Sweep(database, store, RetentionRules(settings.retention_days))
            timing = SweepTiming(sweep_seconds=settings.retention_minutes * 60)
            stalls = StallWatch(database, StallLimits.from_settings(settings))
            started.append(RetentionSweeps(database, sweep, Orphans(database, store), timing, stalls))
            if once:
                return bool(await until_stopped(stop, started[0].once(stop), RETENTION_GRACE_SECONDS))
            await until_stopped(stop, started[0].run(stop), RETENTION_GRACE_SECONDS)
            return True


Dispatchers = tuple[Dispatcher | Leaser[Call], ...]
Made = Callable[[Database], Dispatchers]


async def run_dispatchers(
    service: ServiceSettings, postgres: PostgresSettings, make: Made, termination: Termination
) -> None:
    """Run the dispatchers until a stop is requested."""
    started: list[Dispatcher | Leaser[Call]] = []

    def not_ready() -> str | None:
        return next((d.waiting for d in started if d.waiting), None) if started else "starting"

    def waits() -> WaitReport:
        return merged(dispatcher.waits() for dispatcher in started)

    with HealthServer(service, ready=not_ready, waits=waits):
        migrated(postgres)
        async with opened(postgres) as database:
            stop = termination.event()
            started.extend(make(database))
            await side_by_side(stop, *(dispatcher.run(stop) for dispatcher in started))


def dispatchers_of(settings: DispatchProcess) -> Made:
    """A factory of this process's dispatchers, given the database; all mistakes of the settings are found before."""
    box = SecretBox.from_settings(settings)
    client = AsyncOutboundClient(settings, settings.environment)
    enhancer = enhancer_for(settings, settings, settings.environment)
    poll = max(0.05, settings.time_scale)
    limits = DispatcherLimits(
        call_seconds=settings.webhook_timeout_seconds,
        drain_seconds=settings.webhook_timeout_seconds + 5,
        time_scale=settings.time_scale,
        poll_seconds=poll,
        # less than some seconds are lost by a process on a busy machine
        lease_seconds=max(3, LEASE_SECONDS * settings.time_scale),
    )
    if enhancer is None:
        log.info("ENHANCED_AI_ENDPOINT is not set: only webhooks are sent")
        return lambda database: (Dispatcher(database, client, box, limits),)
    asking = EnhancingLimits(
        concurrency=settings.enhanced_ai_calls,
        calls_per_tenant=max(1, settings.enhanced_ai_calls // 2),
        tokens_per_day=settings.enhanced_ai_tokens_per_day,
        time_scale=settings.time_scale,
        poll_seconds=poll,
    )
    serde = serde_for(settings)

    def make(database: Database) -> Dispatchers:
        work = Enhancements(database, enhancer, settings.enhanced_ai_models, serde, asking)
        return (Dispatcher(database, client, box, limits), Leaser(database, work, asking, lambda: work.held))

    return make


if __name__ == "__main__":
    main()
