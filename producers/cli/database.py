"""`scribe database`: the tables of the service, for operators who can reach the database."""

import sys

import typer

from producers.cli.keys import with_database
from producers.cli.stalled import stalled
from schemas.settings import PostgresSettings, load
from sink.migrate import migrate as apply_missing
from sink.search import index_missing

app = typer.Typer(
    no_args_is_help=True,
    help="Make and renew the tables, and look for jobs that stand still; needs SCRIBE_POSTGRES_DSN.",
)
app.command()(stalled)


@app.command()
def migrate() -> None:
    """Apply the migrations that are missing; may be run any number of times, and before every upgrade.

    The version that runs goes on working meanwhile; `python -m sink.migrate` does the same.

    [bold]scribe database migrate[/]
    """
    names = apply_missing(load(PostgresSettings).postgres_dsn.get_secret_value())
    sys.stdout.write("".join(f"applied {name}\n" for name in names) or "the database is up to date\n")


@app.command()
def index() -> None:
    """Index for the search what was transcribed before there was one; whatever is written later is indexed as it comes.

    Works in small transactions beside the running service, and goes on where it was stopped.

    [bold]scribe database index[/]
    """
    sys.stdout.write(f"indexed {with_database(index_missing)} segments\n")
