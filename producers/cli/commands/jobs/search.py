"""Arguments and options of `scribe search`."""

from typing import Annotated

import typer

from producers.cli.commands.options import LANGUAGES, words
from schemas.process.command_line import deferred_to


@deferred_to("producers.cli.jobs.transcripts.search")
def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help='Words, "words together", this or that, -without.')],
    language: Annotated[
        str | None,
        typer.Option(help="Only what was said in this language, such as he.", autocompletion=words(LANGUAGES)),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many hits.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find where transcripts say something; the newest recording comes first.

    \b
    scribe search "refund policy"
    scribe search '"refund policy" or compensation -voucher' --language en
    """
