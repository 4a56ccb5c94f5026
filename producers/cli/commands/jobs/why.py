"""Arguments and options of `scribe why`."""

from typing import Annotated

import typer

from producers.cli.commands.options import JobId
from schemas.process.command_line import deferred_to


@deferred_to("producers.cli.jobs.why")
def why(
    job: JobId,
    direct: Annotated[
        bool, typer.Option("--direct", help="Look into PostgreSQL and Kafka themselves, as operators can.")
    ] = False,
    process: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="With --direct: ask this process, too, at its SCRIBE_METRICS_PORT. May be repeated."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is found as JSON.")] = False,
) -> None:
    """Say why a job has not come further: which gate holds it, its webhooks or its enhancements, and when it goes on.

    \b
    scribe why 0b7e1d
    scribe why 0b7e1d --direct --process http://10.0.0.7:9100

    With --direct it also finds the records of the job that a consumer group has not finished, and says what to do;
    that needs SCRIBE_POSTGRES_DSN and SCRIBE_KAFKA_BOOTSTRAP, and reads what the groups are behind.
    """
