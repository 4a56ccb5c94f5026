"""Arguments and options of `scribe watch`, `scribe result`, `scribe audio`, `scribe models` and `scribe usage`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from producers.cli.commands.options import JobId, Json, time_option, words
from producers.transcripts.formats import Format
from schemas.process.command_line import deferred_to


@deferred_to("producers.cli.jobs.transcripts.read")
def watch(
    job: JobId, as_json: Annotated[bool, typer.Option("--json", help="Print the ended job as JSON.")] = False
) -> None:
    """Follow a job to its end and print its transcript.

    \b
    scribe watch 0b7e1d0a-…

    Exit code 0: completed; 2: failed for a reason that the submitter can put right; 1: any other end.
    """


@deferred_to("producers.cli.jobs.transcripts.read")
def result(
    job: JobId,
    form: Annotated[Format | None, typer.Option("--format", "-f", help="Form of the transcript.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it into this file.")] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            help="machine: before any correction; a number: as that revision left it.",
            autocompletion=words(["machine"]),
        ),
    ] = None,
) -> None:
    """Print the transcript of a completed job, with its corrections.

    \b
    scribe result 0b7e1d0a-…
    scribe result 0b7e1d0a-… --format vtt -o call.vtt
    scribe result 0b7e1d0a-… --revision machine

    Without --format, the name of the file tells the form; on a terminal each speaker has a colour.
    """


@deferred_to("producers.cli.jobs.transcripts.audio")
def audio(
    job: JobId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it into this file, else one with its own name here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Download the recording of a job that was uploaded, and print the name of the file.

    \b
    scribe audio 0b7e1d0a
    scribe audio 0b7e1d0a -o call.opus

    A download that is cut goes on from there; the file has its name when it is whole. Without --output no file is
    overwritten. A recording that lies at an address of its own is not kept here: `scribe status JOB` shows the address.
    """


@deferred_to("producers.cli.jobs.models")
def models(
    local: Annotated[
        bool, typer.Option("--local", help="Read SCRIBE_MODELS_FILE instead of asking the service.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that jobs may name; the default one comes first."""


@deferred_to("producers.cli.jobs.usage")
def usage(
    since: Annotated[datetime | None, time_option("The first day (UTC), else 29 days before the last one.")] = None,
    until: Annotated[datetime | None, time_option("The last day (UTC), else today.")] = None,
    as_json: Json = False,
) -> None:
    """Show what was done for you by day: jobs, audio, time of workers, bytes and tokens.

    \b
    scribe usage --since 2031-01-01 --until 2031-01-31

    A job counts on the day on which it ended, also when its recording and its transcript are deleted.
    """
