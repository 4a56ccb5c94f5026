"""What `scribe-gpu` takes."""

import logging
import os
import sys
from typing import Annotated

import typer

from schemas.command_line import Version, deferred_to, one_command
from schemas.printing import printing

STAGES = ("transcribe", "diarize")


@deferred_to("gpu_consumers.__main__")
def run(
    stages: Annotated[
        str,
        typer.Option(help="Steps to do here, separated by commas; both share one GPU and its models."),
    ] = ",".join(STAGES),
    fake: Annotated[
        bool,
        typer.Option(
            "--fake",
            help="Only in development, no models and no policies: jobs end as their metadata orders (see gpu_consumers/fake.py).",
        ),
    ] = False,
    version: Version = False,
) -> None:
    """Transcribe and diarize the jobs of Kafka until SIGTERM.

    Every setting is an environment variable (the README lists them all). The important ones:

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


def main() -> None:
    """Entry of the console script; ends at once, because a job that did not stop still holds its thread."""
    try:
        with printing():
            one_command(run)(prog_name="scribe-gpu")
    except SystemExit as end:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
