"""Arguments and options of `scribe rename`, `scribe correct` and `scribe revisions`."""

from pathlib import Path
from typing import Annotated

import typer

from producers.cli.commands.options import JobId, Json
from schemas.process.command_line import deferred_to

After = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="NUMBER", help="The revision that you have read, 0: none. Refused when there is a later one."
    ),
]


@deferred_to("producers.cli.jobs.transcripts.revise")
def rename(
    job: JobId,
    names: Annotated[list[str], typer.Argument(metavar="SPEAKER=NAME", help="A speaker, and who that is.")],
    after: After = None,
    as_json: Json = False,
) -> None:
    """Name the speakers of a transcript: everything that they say has the name, in every form.

    \b
    scribe rename 0b7e1d SPEAKER_00=Anna "SPEAKER_01=Ben Levi"
    scribe rename 0b7e1d Anna=Anne                   # by the name that she has
    scribe rename 0b7e1d SPEAKER_00=SPEAKER_00       # takes the name back

    Two speakers with one name are one person in every form. `scribe result JOB` shows who there is.
    """


@deferred_to("producers.cli.jobs.transcripts.revise")
def correct(
    job: JobId,
    index: Annotated[
        int | None,
        typer.Argument(min=0, metavar="SEGMENT", help="Its place in the transcript, from 0.", show_default=False),
    ] = None,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="All that is said in it.", show_default=False)
    ] = None,
    speaker: Annotated[str | None, typer.Option(help="Who says it: a label or a name.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Corrections, an object of JSON a line: index, text, speaker. -: stdin."),
    ] = None,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Correct what a segment says, and who says it. The machine's transcript stays beside it.

    \b
    scribe result 0b7e1d --format json | jq -r '.segments[3].text'
    scribe correct 0b7e1d 3 "I would like my money back."
    scribe correct 0b7e1d 4 --speaker SPEAKER_01
    scribe correct 0b7e1d --file corrections.ndjson --after 2

    Words that stay keep their times. An empty text takes the segment out. `scribe result JOB --revision machine` shows
    what the machine wrote, `scribe revisions JOB` who changed what.
    """


@deferred_to("producers.cli.jobs.transcripts.revise")
def revisions(
    job: JobId,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List who corrected a transcript, when, and what; those of earlier runs too, which change nothing any more.

    \b
    scribe revisions 0b7e1d
    scribe result 0b7e1d --revision 2                # as the second one left it
    """
