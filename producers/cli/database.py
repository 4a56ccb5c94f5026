"""`scribe database`: the tables of the service, for operators who can reach the database."""

import sys

from producers.cli.interruption import telling
from producers.cli.keys import reaching_database, with_database
from schemas.settings import PostgresSettings, load
from sink.migrate import migrate as apply_missing
from sink.search import index_missing


def migrate() -> None:
    """Does `scribe database migrate`."""
    settings = load(PostgresSettings)
    words = "interrupted; each migration is applied whole or not at all, and the same command goes on"
    with telling(words), reaching_database(settings):
        names = apply_missing(settings.postgres_dsn.get_secret_value())
    sys.stdout.write("".join(f"applied {name}\n" for name in names) or "the database is up to date\n")


def index() -> None:
    """Does `scribe database index`."""
    with telling("interrupted; what was indexed stays, and the same command goes on"):
        number = with_database(index_missing)
    sys.stdout.write(f"indexed {number} segments\n")
