"""`scribe schemas`: the events' schemas in a Confluent-compatible registry."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from producers.cli.clients.surroundings import building_client, proxy_variable
from producers.messages.exit_codes import MISTAKE
from producers.messages.patience import waiting_for
from schemas.errors import Outage, SettingsError
from schemas.settings.kafka import KafkaSettings
from schemas.settings.loading import load
from sink.records.schema_registry import check as check_registry
from sink.records.schema_registry import register_all


def register() -> None:
    """Implements `scribe schemas register`."""
    with _reaching(_url()) as url:
        registered = register_all(url)
    for subject, schema_id in registered.items():
        sys.stdout.write(f"{schema_id:>6}  {subject}\n")


def check() -> None:
    """Implements `scribe schemas check`."""
    with _reaching(_url()) as url:
        found = check_registry(url)
    if found:
        sys.stderr.write("".join(f"{line}\n" for line in [*found, "To put it right: scribe schemas register"]))
        raise typer.Exit(MISTAKE)
    sys.stdout.write("the registry has the current schemas\n")


@contextmanager
def _reaching(url: str) -> Iterator[str]:
    with waiting_for(f"the schema registry at {url}"):
        try:
            with building_client(url):
                yield url
        except Outage as error:
            behind = f" and {variable}" if (variable := proxy_variable(url)) else ""
            raise Outage(f"{error}; is it at {url}? See SCRIBE_SCHEMA_REGISTRY_URL{behind}") from error


def _url() -> str:
    url = load(KafkaSettings).schema_registry_url
    if url is None:
        raise SettingsError(
            "SCRIBE_SCHEMA_REGISTRY_URL: is not set; without a registry the ids come with the service and need no registering"
        )
    return url
