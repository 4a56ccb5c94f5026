"""Arguments and options of `scribe erase` and `scribe hold`."""

from typing import Annotated

import typer

from producers.cli.commands.options import Json, id_prefix
from producers.inputs.id_prefix import IdPrefix
from schemas.process.command_line import command_line, deferred_to

app = command_line("Legal holds; needs SCRIBE_POSTGRES_DSN.")

Tenant = Annotated[str, typer.Option(help="Whose it is.")]
Job = Annotated[
    IdPrefix | None,
    typer.Option(parser=id_prefix, metavar="JOB", help="Only this job; else all that the tenant has."),
]


@deferred_to("producers.cli.operators.erase")
def erase(
    tenant: Tenant,
    jobs: Annotated[
        list[IdPrefix] | None,
        typer.Argument(parser=id_prefix, metavar="JOB", help="Ids of jobs, or their first digits."),
    ] = None,
    recording_id: Annotated[str | None, typer.Option(help="All jobs of this recording.")] = None,
    as_json: Json = False,
) -> None:
    """Erase jobs with all that is kept of them, and print the evidence; asked again it prints the same.

    Whoever works on one is told to stop; where the service uses a schema registry, SCRIBE_SCHEMA_REGISTRY_URL must name it.

    One that cannot be erased stops none of the others; the exit code is 2 then. Rows are gone at once, objects as soon as `scribe-streams retention` runs.

    \b
    scribe erase --tenant acme --recording-id call-17
    """


@app.command("set")
@deferred_to("producers.cli.operators.erase")
def set_(
    tenant: Tenant,
    reason: Annotated[str, typer.Option(help="Why; only operators see it.")],
    job: Job = None,
    force: Annotated[bool, typer.Option("--force", help="Also a tenant of whom nothing is known yet.")] = False,
) -> None:
    """Keep a job, or all of a tenant, whatever its time and whoever asks for its erasure.

    \b
    scribe hold set --tenant acme --reason "case 17"
    """


@app.command()
@deferred_to("producers.cli.operators.erase")
def release(tenant: Tenant, job: Job = None) -> None:
    """End a hold; what is over goes with the next sweep."""


@app.command("list")
@deferred_to("producers.cli.operators.erase")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None, as_json: Json = False
) -> None:
    """List holds with their reasons."""
