"""The `scribe` command, put together."""

import typer

from producers.cli import (
    cancel,
    database,
    dlq,
    enhance,
    erase,
    jobs,
    keys,
    read,
    registry,
    replay,
    search,
    status,
    submit,
    tenants,
    topics,
    webhooks,
)

HELP = """Recordings in, transcripts with speakers out.

[bold]scribe submit call.opus --watch[/]  and  [bold]scribe result JOB --format srt[/]  are for everybody: they need SCRIBE_API_URL and SCRIBE_API_KEY.

[bold]topics[/], [bold]dlq[/], [bold]replay[/], [bold]database[/], [bold]erase[/], [bold]hold[/], [bold]keys[/], [bold]tenants[/], [bold]schemas[/] and [bold]webhooks[/] are for operators: they need the settings of Kafka, PostgreSQL or the registry.

Exit code 2: something to correct in the call or the request; 1: trouble of the service.
"""


def create_cli() -> typer.Typer:
    """All commands under one roof."""
    app = typer.Typer(
        help=HELP, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False
    )
    app.command()(submit.submit)
    app.command()(jobs.jobs)
    app.command()(status.status)
    app.command()(read.watch)
    app.command()(read.result)
    app.command()(cancel.cancel)
    app.command()(enhance.enhance)
    app.command()(search.search)
    app.command()(read.models)
    app.command()(erase.erase)
    app.command()(replay.replay)
    app.add_typer(erase.app, name="hold")
    app.add_typer(topics.app, name="topics")
    app.add_typer(dlq.app, name="dlq")
    app.add_typer(database.app, name="database")
    app.add_typer(keys.app, name="keys")
    app.add_typer(tenants.app, name="tenants")
    app.add_typer(registry.app, name="schemas")
    app.add_typer(webhooks.app, name="webhooks")
    return app
