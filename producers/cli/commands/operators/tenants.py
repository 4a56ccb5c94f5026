"""Arguments and options of `scribe tenants`."""

from typing import Annotated

import typer

from producers.cli.commands.options import Json, model_names, words
from schemas.process.command_line import command_line, deferred_to
from schemas.tenants.quotas import QUOTAS
from schemas.tenants.retention import CLASSES

app = command_line("What tenants may do; needs SCRIBE_KAFKA_BOOTSTRAP.")
_KEPT = f"CLASS=DAYS, CLASS=forever or CLASS=default; of {', '.join(CLASSES)}. May be repeated."
_LIST = "May be repeated; replaces the list, and '' empties it."

Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command("set")
@deferred_to("producers.cli.operators.tenants")
def set_(
    tenant: Tenant,
    retention: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS=DAYS", help=_KEPT, autocompletion=words(f"{name}=" for name in CLASSES)),
    ] = None,
    enhanced_ai: Annotated[
        bool | None, typer.Option(help="The tenant's consent that text leaves for the enhanced-AI service.")
    ] = None,
    llm_model: Annotated[list[str] | None, typer.Option(help=f"A model that may be asked for there. {_LIST}")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help=f"A model that its jobs may name. {_LIST}", autocompletion=model_names)
    ] = None,
    allowed_host: Annotated[list[str] | None, typer.Option(help=f"A host of recordings. {_LIST}")] = None,
    allowed_prefix: Annotated[list[str] | None, typer.Option(help=f"An s3:// prefix of recordings. {_LIST}")] = None,
    inline: Annotated[bool | None, typer.Option(help="Whether transcripts may travel inside events.")] = None,
    quota: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help=f"NAME=NUMBER or NAME=none; of {', '.join(QUOTAS)}. May be repeated.",
            autocompletion=words(f"{name}=" for name in QUOTAS),
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Change what is named and leave all else as it is; the new policy is published on scribe.tenants.

    \b
    scribe tenants set acme --retention audio=7 --retention transcripts=forever
    scribe tenants set acme --enhanced-ai --llm-model small
    """


@app.command()
@deferred_to("producers.cli.operators.tenants")
def show(tenant: Tenant, as_json: Json = False) -> None:
    """Print the policy of one tenant."""


@app.command("list")
@deferred_to("producers.cli.operators.tenants")
def list_(as_json: Json = False) -> None:
    """List every tenant that has a policy."""
