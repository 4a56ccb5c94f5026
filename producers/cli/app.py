"""The `scribe` command, composed of all its commands."""

import typer

from producers.cli.commands.jobs import cancel, enhance, events, listing, read, revise, search, submit, why
from producers.cli.commands.operators import database, erase, keys, registry, tenants, topics
from producers.cli.commands.replay import dlq, replay
from producers.cli.commands.webhooks import endpoints
from schemas.process.command_line import Version, command_line

HELP = """Recordings in, transcripts with speakers out.

`scribe submit call.opus --watch`  and  `scribe result JOB --format srt`  are for everybody: they need SCRIBE_API_URL and SCRIBE_API_KEY.

`topics`, `dlq`, `replay`, `database`, `erase`, `hold`, `keys`, `tenants`, `schemas` and `webhooks` are for operators: they need the settings of Kafka, PostgreSQL or the registry. So does `why --direct`.

Exit code 2: something to correct in the call or the request; 1: trouble of the service; 130: interrupted.
"""


def create_cli() -> typer.Typer:
    """The application with all commands; their implementation is imported when one is called."""
    app = command_line(HELP, completion=True)
    app.callback()(_root)
    app.command()(submit.submit)
    app.command()(submit.bulk)
    app.command()(listing.jobs)
    app.command()(listing.status)
    app.command()(why.why)
    app.command()(read.watch)
    app.command()(events.events)
    app.command()(read.result)
    app.command()(read.audio)
    app.command()(revise.rename)
    app.command()(revise.correct)
    app.command()(revise.revisions)
    app.command()(cancel.cancel)
    app.command()(enhance.enhance)
    app.command()(search.search)
    app.command()(read.models)
    app.command()(read.usage)
    app.command()(erase.erase)
    app.command()(replay.replay)
    app.add_typer(erase.app, name="hold")
    app.add_typer(topics.app, name="topics")
    app.add_typer(dlq.app, name="dlq")
    app.add_typer(database.app, name="database")
    app.add_typer(keys.app, name="keys")
    app.add_typer(tenants.app, name="tenants")
    app.add_typer(registry.app, name="schemas")
    app.add_typer(endpoints.app, name="webhooks")
    return app


def _root(version: Version = False) -> None:
    """Says what needs no command."""
