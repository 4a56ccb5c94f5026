"""Options of `scribe-api` and `scribe-relay`."""

from typing import Annotated

import typer

from schemas.process.command_line import Version, deferred_to, one_command
from schemas.process.printing import printing


def api() -> None:
    """The command `scribe-api`."""
    with printing():
        one_command(run_api)(prog_name="scribe-api")


def relay() -> None:
    """The command `scribe-relay`."""
    with printing():
        one_command(run_relay)(prog_name="scribe-relay")


@deferred_to("producers.api.__main__")
def run_api(
    host: Annotated[str | None, typer.Option(help="Address to listen on, else SCRIBE_API_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, else SCRIBE_API_PORT.")] = None,
    version: Version = False,
) -> None:
    """Serve the REST shim of Scribe Rabbit.

    Jobs are accepted into PostgreSQL; `scribe-relay` publishes them to Kafka.

    Every setting is an environment variable; schemas/README.md lists them all. The documentation of the interface is at
    /docs, its health at /readyz.
    """


@deferred_to("producers.relay")
def run_relay(version: Version = False) -> None:
    """Publish the outbox of the REST shim to Kafka.

    Start as many as you like: one works, the others wait for it to end.

    Settings: SCRIBE_KAFKA_…, SCRIBE_POSTGRES_…, and SCRIBE_METRICS_PORT for /readyz and /metrics.
    """
