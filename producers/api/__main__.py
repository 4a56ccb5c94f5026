"""Entry point of the REST shim: settings, services, and the server in one process."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

import uvicorn
import uvloop

from producers.api.app import create_app
from producers.api.http.client_limits import patience_for
from producers.api.http.concurrency_limiter import TenantConcurrencyLimiter
from producers.api.http.server import config_of, listening
from producers.api.services import UPLOADS, WAITS, Services
from producers.commands import api as main
from producers.messages.exit_codes import reported
from schemas.models.registry import load_registry
from schemas.ports import ObjectStore
from schemas.settings.loading import load
from schemas.settings.processes import ApiProcess
from sink.http.client import check_url
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.postgres.replica import ReplicaRouter
from sink.process.observation import observe
from sink.process.termination import Termination
from sink.records.serdes import catalog_for, serde_for
from sink.webhooks.secrets import SecretBox

log = logging.getLogger(__name__)
POOL_SECONDS = 5.0  # that a request waits for a connection to the database: less than its client waits for an answer
STOP_SECONDS = 30.0  # until the process is ended by force


@asynccontextmanager
async def open_services(settings: ApiProcess) -> AsyncIterator[Services]:
    """Open the services behind the shim, which need not be available yet; until they are, /readyz says so."""
    dsn, size = settings.postgres_dsn.get_secret_value(), settings.postgres_pool_size
    prepare = settings.api_prepare_statements
    async with (
        Database.pooled(dsn, size, timeout=POOL_SECONDS, prepare=prepare) as database,
        ReplicaRouter.open(database, settings.postgres_read_dsn, size, prepare=prepare) as reading,
    ):
        yield Services(
            database=database,
            reading=reading,
            store=S3ObjectStore(settings),
            serde=serde_for(settings),
            catalog=catalog_for(settings),
            registry=load_registry(settings.models_file, settings.default_model, settings.diarizer),
            check_address=partial(check_url, settings=settings, environment=settings.environment),
            upload_max_bytes=settings.upload_max_bytes,
            upload_life=timedelta(hours=settings.upload_expiry_hours),
            upload_max_unfinished=settings.upload_max_unfinished,
            public_store=_public_store(settings),
            secrets=SecretBox.from_settings(settings) if settings.webhook_key else None,
            webhook_max_endpoints=settings.webhook_max_endpoints,
            unknown_tenant=settings.unknown_tenant,
            most_wait_seconds=settings.api_most_wait_seconds,
            wait_seconds=settings.api_wait_seconds,
            dead_letters=settings if settings.api_dead_letters else None,
            public_url=settings.public_url,
            requests_per_minute=settings.api_requests_per_minute,
            llm_models=settings.enhanced_ai_models if settings.enhanced_ai_endpoint else None,
        )


def _public_store(settings: ApiProcess) -> ObjectStore | None:
    """The object store under the address that clients reach: for signing, which sends nothing."""
    if settings.s3_public_endpoint is None:
        return None
    return S3ObjectStore(settings.model_copy(update={"s3_endpoint": settings.s3_public_endpoint}))


async def serve(settings: ApiProcess, termination: Termination) -> None:
    """Answer requests until termination is requested."""
    with listening(settings.api_host, settings.api_port) as listener:
        await _serve(settings, listener, termination)


class _Server(uvicorn.Server):
    """A server that stops on the termination signal of the process."""

    def __init__(self, config: uvicorn.Config, termination: Termination, services: Services) -> None:
        super().__init__(config)
        self._termination = termination
        self._services = services

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what would wait for as long as its clients stay, then let running requests end."""
        self._services.stop_waiting()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signal handling to the process."""
        self._termination.on_request(self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True


async def _serve(settings: ApiProcess, listener: socket.socket, termination: Termination) -> None:
    async with open_services(settings) as services:
        patience = patience_for(_own_files(settings), settings.api_max_connections)
        # both keep their connections, so they leave a quarter of them to others
        streams = TenantConcurrencyLimiter(patience.most // 2, patience.most // 4)
        waits = TenantConcurrencyLimiter(min(WAITS, patience.most // 4), min(WAITS, patience.most // 4) // 2)
        app = create_app(replace(services, streams=streams, waits=waits), settings.api_cors_origins)
        app.openapi()  # it takes a while, for which no request should wait
        config = config_of(app, patience)
        log.info("listening on http://%s:%d", *listener.getsockname()[:2])
        await _Server(config, termination, services).serve(sockets=[listener])


def _own_files(settings: ApiProcess) -> int:
    """The number of files that the process may open besides client connections: database, replica, object store."""
    return 2 * settings.postgres_pool_size + UPLOADS + 32


def run_api(host: str | None, port: int | None) -> None:
    """Implements `scribe-api`."""
    termination = Termination(STOP_SECONDS).install()
    with reported():
        given = {"api_host": host, "api_port": port}
        settings = load(ApiProcess, **{name: value for name, value in given.items() if value is not None})
        observe(settings, "api")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings, termination))


if __name__ == "__main__":
    main()
