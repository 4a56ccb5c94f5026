"""Arguments and options of `scribe jobs` and `scribe status`."""

from datetime import datetime
from typing import Annotated

import typer

from producers.cli.commands.options import LANGUAGES, JobId, after_comma, model_names, time_option, words
from schemas.events import Priority
from schemas.process.command_line import deferred_to
from schemas.vocabulary.job_states import JOB_STATES


@deferred_to("producers.cli.jobs.listing")
def jobs(
    state: Annotated[
        list[str] | None,
        typer.Option(
            help=f"In this state: {', '.join(JOB_STATES)}. May be repeated.", autocompletion=after_comma(JOB_STATES)
        ),
    ] = None,
    recording_id: Annotated[str | None, typer.Option(help="Of this recording.")] = None,
    since: Annotated[datetime | None, time_option("Requested at this time (UTC) or later.")] = None,
    until: Annotated[datetime | None, time_option("Requested before this time (UTC).")] = None,
    name: Annotated[str | None, typer.Option(help="With this in the name of the file or in its address.")] = None,
    model: Annotated[
        str | None, typer.Option(help="That named this model, or that it worked on.", autocompletion=model_names)
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="In this language, such as he.", autocompletion=words(LANGUAGES))
    ] = None,
    priority: Annotated[Priority | None, typer.Option(help="Of this queue.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="With this note. May be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    all_: Annotated[bool, typer.Option("--all", help="All there are, whatever --limit says.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line each.")] = False,
) -> None:
    """List jobs, the newest first.

    \b
    scribe jobs --state failed --since 2026-01-31
    scribe jobs --name call-17 --json

    The first digits of an id are enough wherever a command wants one: `scribe status 0b7e1d`
    """


@deferred_to("producers.cli.jobs.status")
def status(job: JobId, as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False) -> None:
    """Show a job: its state, its place among those that wait, warnings, why it failed and what to do, and its history.

    \b
    scribe status 0b7e1d

    Exit code 0 whatever its state is; `scribe watch` waits for the end and tells it by its code.
    """
