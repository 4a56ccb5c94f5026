"""Worker process of a Faust app: opens resources, runs until SIGTERM, closes the resources in reverse order."""

import asyncio
import gc
import logging
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import faust
import mode
from mode.utils.logging import get_logger
from mode.utils.loops import get_event_loop

from schemas.errors import Outage
from schemas.process.wait_report import WaitReport
from schemas.retries.schedules import OUTAGES
from schemas.settings.service import ServiceSettings
from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database
from sink.postgres.migrate import migrate
from sink.process.health_server import HealthServer
from sink.process.termination import Termination
from sink.records.kafka.access import AccessGate
from streams.kafka.membership import MembershipLosses
from streams.kafka.transport import ScribeApp
from streams.runtime.event_loop import EventLoop
from streams.runtime.watchdog import Watchdog, WatchdogLimits

log = logging.getLogger(__name__)

START_PAUSE = OUTAGES.first  # seconds between tries to reach the database at start
STOP_SECONDS = WatchdogLimits().stopping


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """Parts of a worker process."""

    app: ScribeApp
    event_loop: EventLoop
    limits: WatchdogLimits = field(default_factory=WatchdogLimits)


Compose = Callable[[Database, Path], WorkerParts]
"""Makes an app, given the database and a folder that is its own."""


def run_worker(service: ServiceSettings, postgres: PostgresSettings, compose: Compose, gate: AccessGate) -> NoReturn:
    """Run until SIGTERM (exit code 0), a crash (1), or a stall or an end that takes too long (70)."""
    termination = Termination(STOP_SECONDS).install()
    _calm_libraries()
    losses = MembershipLosses(service.worker_id).install()
    started: list[Watchdog] = []

    def not_ready() -> str | None:
        if not started:
            return gate.reason or "starting"
        return losses.reason or started[0].not_ready()

    def waits() -> WaitReport:
        return started[0].waits() if started else WaitReport()

    def dead() -> str | None:
        return started[0].fatal_reason() if started else None

    with (
        tempfile.TemporaryDirectory(prefix="scribe-") as folder,
        HealthServer(service, ready=not_ready, live=dead, waits=waits),
    ):
        migrated(postgres)
        # the loop that mode finds, and keeps for whatever it makes outside of a running one
        loop = get_event_loop()
        resources = AsyncExitStack()
        parts = loop.run_until_complete(
            _composed(resources, postgres, compose, Path(folder), partial(gate.wait, termination.is_requested))
        )
        _collect_rarely()
        started.append(Watchdog(parts.app, parts.event_loop, parts.limits))
        worker = _Worker(
            termination,
            parts.app,
            _Surroundings(resources, started[0], parts.event_loop),
            loop=loop,
            quiet=True,
            override_logging=False,  # ours is set up by now
            redirect_stdouts=False,
        )
        worker.spinner = None  # it writes to the terminal
        worker.execute_from_commandline()
    raise AssertionError("unreachable: the worker ends by SystemExit")


def _collect_rarely() -> None:
    """Run the garbage collector rarely: searching many small objects for cycles took a third of the CPU time."""
    gc.freeze()  # what the libraries are made of stays anyway
    gc.set_threshold(50_000, 20, 100)


def _calm_libraries() -> None:
    """Limit Faust's logging to warnings, unless everything is requested: it logs every step of every service."""
    if not log.isEnabledFor(logging.DEBUG):
        for name in ("faust", "mode", "aiokafka"):
            logging.getLogger(name).setLevel(logging.WARNING)


def migrated(postgres: PostgresSettings) -> None:
    """Migrate the database, waiting for it as long as necessary."""
    while True:
        try:
            names = migrate(postgres.postgres_dsn.get_secret_value())
        except Outage as error:
            log.warning("waiting: %s", error)
            time.sleep(START_PAUSE)
        else:
            log.info("database is up to date, %d migrations applied", len(names))
            return


async def _composed(
    resources: AsyncExitStack, postgres: PostgresSettings, compose: Compose, folder: Path, let_in: Callable[[], None]
) -> WorkerParts:
    """The app, created while the event loop runs, since Faust binds it to the running loop."""
    parts = compose(await resources.enter_async_context(opened(postgres)), folder)
    # Faust would give up at once when no broker answers, and say little when one refuses something
    await asyncio.to_thread(let_in)
    return parts


@asynccontextmanager
async def opened(postgres: PostgresSettings) -> AsyncIterator[Database]:
    """The opened database, waited for as long as necessary."""
    async with AsyncExitStack() as stack:
        while True:
            try:
                database = await stack.enter_async_context(Database.open(postgres))
                break
            except Outage as error:
                log.warning("waiting: %s", error)
                await asyncio.sleep(START_PAUSE)
        yield database


class _Worker(faust.Worker):
    """Faust worker that stops when termination is requested."""

    def __init__(self, termination: Termination, *services: Any, **options: Any) -> None:
        super().__init__(*services, **options)
        self._termination = termination

    def install_signal_handlers(self) -> None:
        self.loop.add_signal_handler(signal.SIGUSR1, self._on_sigusr1)
        self._termination.on_request_in(self.loop, self._on_sigterm)


class _Surroundings(mode.Service):
    """Starts the watchdog with the app and closes the resources after it."""

    logger = get_logger("faust.surroundings")

    def __init__(self, resources: AsyncExitStack, watchdog: Watchdog, event_loop: EventLoop) -> None:
        super().__init__()
        self._resources = resources
        self._watchdog = watchdog
        self._event_loop = event_loop

    async def on_start(self) -> None:
        self._watchdog.start()

    async def on_stop(self) -> None:
        await self._event_loop.leave()
        await self._resources.aclose()
