"""Arguments and options of `scribe enhance`."""

from typing import Annotated
from uuid import UUID

import typer

from producers.cli.commands.options import JobId
from schemas.process.command_line import deferred_to


@deferred_to("producers.cli.jobs.enhance")
def enhance(
    job: JobId,
    summarize: Annotated[bool, typer.Option("--summarize", help="A short summary.")] = False,
    entities: Annotated[
        bool, typer.Option("--entities", help="Names, dates, numbers and more, with their times.")
    ] = False,
    llm_model: Annotated[str | None, typer.Option(help="Which model of the enhanced-AI service.")] = None,
    enhancement_id: Annotated[UUID | None, typer.Option(help="Your own id, to ask again safely.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Wait for it and print it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Have the enhanced-AI service work on a transcript.

    \b
    scribe enhance 0b7e1d0a-… --summarize --entities --watch

    The operator must have recorded the tenant's consent: text leaves for that service.
    """
