"""Arguments and options of `scribe topics`."""

from typing import Annotated

import typer

from schemas.process.command_line import command_line, deferred_to

app = command_line("Create and check the topics of the service.")

Partitions = Annotated[
    int | None, typer.Option(min=1, help="Of every topic, for small local brokers; else as the table says.")
]


@app.command()
@deferred_to("producers.cli.operators.topics")
def apply(
    partitions: Partitions = None,
    replication_factor: Annotated[
        int, typer.Option(min=-1, help="Of new topics; -1: what the broker has as its default.")
    ] = -1,
    alter: Annotated[
        bool, typer.Option("--alter", help="Also change settings and add partitions where a topic differs.")
    ] = False,
) -> None:
    """Create what is missing; may be run any number of times.

    A topic that exists with other settings is refused, unless --alter says to change it: nothing is created then.
    Fewer partitions than in the table are only remarked on, unless --partitions demands a number; --alter adds them.
    Added partitions move keys, so let the queues run empty first. Partitions are never taken away.

    \b
    scribe topics apply
    scribe topics apply --partitions 4 --replication-factor 1

    The latter is for one broker on a laptop.
    """


@app.command()
@deferred_to("producers.cli.operators.topics")
def check(partitions: Partitions = None) -> None:
    """Say what `apply` would do; exit code 2 when it is anything."""
