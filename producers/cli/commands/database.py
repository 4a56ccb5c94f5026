"""What `scribe database` takes."""

from schemas.command_line import command_line, deferred_to

app = command_line("Make and renew the tables; needs SCRIBE_POSTGRES_DSN.")


@app.command()
@deferred_to("producers.cli.database")
def migrate() -> None:
    """Apply the migrations that are missing; may be run any number of times, and before every upgrade.

    The version that runs goes on working meanwhile; `python -m sink.migrate` does the same.

    \b
    scribe database migrate
    """


@app.command()
@deferred_to("producers.cli.database")
def index() -> None:
    """Index for the search what was transcribed before there was one; whatever is written later is indexed as it comes.

    Works in small transactions beside the running service, and goes on where it was stopped.

    \b
    scribe database index
    """
