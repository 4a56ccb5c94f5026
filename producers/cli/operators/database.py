"""`scribe database`: the tables of the service, for operators who can reach the database."""

import sys

from producers.cli.operators.keys import reaching_database, with_database
from producers.cli.terminal.interruption import telling
from schemas.settings.loading import load
from schemas.settings.stores import PostgresSettings
from sink.jobs.transcripts.search import index_missing
from sink.postgres.migrate import migrate as apply_missing


def migrate() -> None:
    """Implements `scribe database migrate`."""
    settings = load(PostgresSettings)
    words = "interrupted; each migration is applied whole or not at all, and the same command goes on"
    with telling(words), reaching_database(settings):
        names = apply_missing(settings.postgres_dsn.get_secret_value())
    sys.stdout.write("".join(f"applied {name}\n" for name in names) or "the database is up to date\n")


def index() -> None:
    """Implements `scribe database index`."""
    with telling("interrupted; what was indexed stays, and the same command goes on"):
        number = with_database(index_missing)
    sys.stdout.write(f"indexed {number} segments\n")
