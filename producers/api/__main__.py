"""The command `scribe-api`: the REST shim in one process."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated

import typer
import uvicorn
import uvloop

from producers.api.app import create_app
from producers.api.patience import patience_for
from producers.api.server import config_of, listening
from producers.api.services import UPLOADS, Services
from producers.exit_codes import reported
from schemas.logs import configure
from schemas.models import load_registry
from schemas.settings import ApiProcess, load
from sink.outbound import check_url
from sink.postgres import Database
from sink.replica import Reading
from sink.s3 import S3ObjectStore
from sink.schema_registry import serde_for
from sink.webhook_secrets import SecretBox

log = logging.getLogger(__name__)
POOL_SECONDS = 10.0  # that a request waits for a connection to the database


@asynccontextmanager
async def open_services(settings: ApiProcess) -> AsyncIterator[Services]:
    """Everything behind the shim; none of it need answer yet, and until it does /readyz says so."""
    dsn, size = settings.postgres_dsn.get_secret_value(), settings.postgres_pool_size
    async with (
        Database.pooled(dsn, size, timeout=POOL_SECONDS, prepare=False) as database,
        Reading.open(database, settings.postgres_read_dsn, settings.postgres_pool_size) as reading,
    ):
        yield Services(
            database=database,
            reading=reading,
            store=S3ObjectStore(settings),
            serde=serde_for(settings),
            registry=load_registry(settings.models_file, settings.default_model, settings.diarizer),
            check_address=partial(check_url, settings=settings, environment=settings.environment),
            upload_max_bytes=settings.upload_max_bytes,
            secrets=SecretBox.of(settings) if settings.webhook_key else None,
            webhook_max_endpoints=settings.webhook_max_endpoints,
            unknown_tenant=settings.unknown_tenant,
            llm_models=settings.enhanced_ai_models if settings.enhanced_ai_endpoint else None,
        )


async def serve(settings: ApiProcess) -> None:
    """Answer requests until SIGTERM or SIGINT."""
    with listening(settings.api_host, settings.api_port) as listener:
        await _serve(settings, listener)


async def _serve(settings: ApiProcess, listener: socket.socket) -> None:
    async with open_services(settings) as services:
        patience = patience_for(_own_files(settings), settings.api_max_connections)
        app = create_app(services)
        app.openapi()  # it takes a while, for which no request should wait
        config = config_of(app, patience)
        log.info("listening on http://%s:%d", *listener.getsockname()[:2])
        await uvicorn.Server(config).serve(sockets=[listener])


def _own_files(settings: ApiProcess) -> int:
    """How many the process may open beside those of its clients: to the database, a replica, and the object store."""
    return 2 * settings.postgres_pool_size + UPLOADS + 32


def run(
    host: Annotated[str | None, typer.Option(help="Address to listen on, else SCRIBE_API_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, else SCRIBE_API_PORT.")] = None,
) -> None:
    """Serve the REST shim of Scribe Rabbit.

    Jobs are accepted into PostgreSQL; `scribe-relay` publishes them to Kafka.

    Every setting is an environment variable; the README lists them all. The documentation of the interface is at
    /docs, its health at /readyz.
    """
    # uvicorn raises a signal again when it has shut down in order, and that is a good end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with reported():
        given = {"api_host": host, "api_port": port}
        settings = load(ApiProcess, **{name: value for name, value in given.items() if value is not None})
        configure(settings, "api")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))


def main() -> None:
    """The command `scribe-api`."""
    app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
    app.command()(run)
    app(prog_name="scribe-api")


if __name__ == "__main__":
    main()
