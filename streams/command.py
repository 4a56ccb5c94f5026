"""Declaration of the command line `scribe-streams`."""

import sys
from typing import Annotated

import typer

from schemas.errors import ScribeError
from schemas.process.command_line import Version, command_line, deferred_to
from schemas.process.printing import printing

cli = command_line("The Faust apps, the dispatcher and the sweep.")


@cli.callback()
def _root(version: Version = False) -> None:
    """Options of the whole command line."""


@cli.command()
@deferred_to("streams.__main__")
def persist() -> None:
    """Write jobs, transcripts and history into PostgreSQL and the object store."""


@cli.command()
@deferred_to("streams.__main__")
def enhance() -> None:
    """Schedule a call of the enhanced-AI service for every job whose request asks for it."""


@cli.command()
@deferred_to("streams.__main__")
def webhooks() -> None:
    """Schedule a webhook for every end of a job whose request names one."""


@cli.command()
@deferred_to("streams.__main__")
def dispatch() -> None:
    """Send the scheduled webhooks, signed, and make the scheduled calls of the enhanced-AI service.

    Without ENHANCED_AI_ENDPOINT it only sends webhooks.
    """


@cli.command()
@cli.command("retain", hidden=True)  # its name in the release before
@deferred_to("streams.__main__")
def retention(
    once: Annotated[
        bool, typer.Option("--once", help="Sweep once and end; exit code 1 when something was away.")
    ] = False,
) -> None:
    """Delete expired data: rows and objects by class of data and tenant, erased jobs, objects that no job refers to.

    Start as many as you like: one works, the others wait for it to end.
    """


def main() -> None:
    """Run the command line; mistakes in the environment are reported in one line each."""
    try:
        with printing():
            cli(prog_name="scribe-streams")
    except ScribeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
