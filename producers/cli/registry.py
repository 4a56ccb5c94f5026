"""`scribe schemas`: the events' schemas in a Confluent-compatible registry."""

import sys

import typer

from producers.exit_codes import MISTAKE
from schemas.errors import SettingsError
from schemas.settings import KafkaSettings, load
from sink.schema_registry import check as check_registry
from sink.schema_registry import register_all


def register() -> None:
    """Does `scribe schemas register`."""
    for subject, schema_id in register_all(_url()).items():
        sys.stdout.write(f"{schema_id:>6}  {subject}\n")


def check() -> None:
    """Does `scribe schemas check`."""
    if found := check_registry(_url()):
        sys.stderr.write("".join(f"{line}\n" for line in [*found, "To put it right: scribe schemas register"]))
        raise typer.Exit(MISTAKE)
    sys.stdout.write("the registry has the current schemas\n")


def _url() -> str:
    url = load(KafkaSettings).schema_registry_url
    if url is None:
        raise SettingsError(
            "SCRIBE_SCHEMA_REGISTRY_URL: is not set; without a registry the ids come with the service and need no registering"
        )
    return url
