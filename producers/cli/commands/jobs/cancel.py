"""Arguments and options of `scribe cancel`."""

from typing import Annotated

import typer

from producers.cli.commands.options import id_prefix
from producers.inputs.id_prefix import IdPrefix
from schemas.process.command_line import deferred_to


@deferred_to("producers.cli.jobs.cancel")
def cancel(
    jobs: Annotated[
        list[IdPrefix], typer.Argument(parser=id_prefix, metavar="JOB", help="Ids of jobs, or their first digits.")
    ],
    direct: Annotated[
        bool, typer.Option("--direct", help="Write the order to Kafka: also for jobs that REST does not know.")
    ] = False,
    tenant: Annotated[str | None, typer.Option(help="Whose jobs they are; with --direct.")] = None,
    run: Annotated[int | None, typer.Option(min=1, help="Up to which run, else the first; with --direct.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the jobs, or with --direct the orders, as JSON.")
    ] = False,
) -> None:
    """Stop jobs. One that waits is not begun, one that runs stops within seconds, one that has ended stays as it is.

    \b
    scribe cancel 0b7e1d0a-…
    scribe cancel 0b7e1d0a-… --direct --tenant acme

    Asked again it is harmless. Each job ends with a result of its own, state `cancelled`.
    """
