"""Arguments and options of `scribe events`."""

from typing import Annotated

import typer

from producers.cli.commands.options import id_prefix
from producers.inputs.id_prefix import IdPrefix
from schemas.process.command_line import deferred_to


@deferred_to("producers.cli.jobs.following.events")
def events(
    job: Annotated[
        IdPrefix | None,
        typer.Argument(parser=id_prefix, metavar="JOB", help="Only this job, from its first event; else all of yours."),
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="EVENT_ID", help="Go on behind this event, and leave nothing out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an event a line.")] = False,
) -> None:
    """Follow what happens to jobs: states as they change, and progress in seconds of audio.

    \b
    scribe events 0b7e1d0a                           # one job, to its end
    scribe events --json | jq -r 'select(.state == "completed").job_id'
    scribe events --after 812:812:/812:813:/57       # what came since

    A connection that is cut is opened anew where it stopped. States are never left out and never come twice; progress is
    told once. All jobs are followed until you press Ctrl-C, which prints how to come back.
    """
