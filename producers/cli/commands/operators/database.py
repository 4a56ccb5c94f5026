"""Arguments and options of `scribe database`."""

from datetime import datetime
from typing import Annotated

import typer

from producers.cli.commands.options import Json, time_option
from schemas.process.command_line import command_line, deferred_to

app = command_line("Make and renew the tables, and look for jobs that stand still; needs SCRIBE_POSTGRES_DSN.")


@app.command()
@deferred_to("producers.cli.operators.database")
def migrate() -> None:
    """Apply the migrations that are missing; may be run any number of times, and before every upgrade.

    The version that runs goes on working meanwhile; `python -m sink.postgres.migrate` does the same.

    \b
    scribe database migrate
    """


@app.command()
@deferred_to("producers.cli.operators.database")
def index() -> None:
    """Index for the search what was transcribed before there was one; whatever is written later is indexed as it comes.

    Works in small transactions beside the running service, and goes on where it was stopped.

    \b
    scribe database index
    """


@app.command()
@deferred_to("producers.cli.operators.stalled")
def stalled(
    running_hours: Annotated[float | None, typer.Option(min=0, help="In work, and silent for so long.")] = None,
    queued_hours: Annotated[float | None, typer.Option(min=0, help="In the queue for so long.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="List so many at most.")] = 100,
    fail: Annotated[
        bool, typer.Option("--fail", help="End those that are listed as failed, and tell everybody who waits for them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List jobs whose state has not moved for long, those in work first; needs SCRIBE_POSTGRES_DSN.

    For how long is what SCRIBE_STALLED_RUNNING_HOURS and SCRIBE_STALLED_QUEUED_HOURS say. With --fail each gets a failed
    result, which the relay publishes; a result that comes later changes nothing.

    \b
    scribe database stalled
    scribe database stalled --running-hours 48 --queued-hours 240 --fail
    """


@app.command()
@deferred_to("producers.cli.operators.rewind")
def rewind(
    to: Annotated[datetime, time_option("Some minutes before the backup was made (UTC).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be read again.")] = False,
) -> None:
    """After a database was restored from a backup: let the apps read again what came in since; needs the settings of Kafka.

    Stop persist, enhance and webhooks first. They skip what the restored tables hold and write what they lack; a webhook
    that was delivered after the backup is sent once more, under its id. GPU processes need no such thing: where they stand
    is kept in Kafka.

    \b
    scribe database rewind --to 2026-01-31T02:50
    """
