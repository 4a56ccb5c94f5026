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


@app.command()
@deferred_to("producers.cli.operators.acls")
def acls(
    process: Annotated[
        list[str] | None, typer.Option("--process", help="Only of this process; may be given several times.")
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option("--user", metavar="PROCESS=USER", help="Who a process is, unless it is called so."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="An object a line instead of commands.")] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Give the rights that are missing, as an administrator.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what --apply would give.")] = False,
) -> None:
    """Write the rights that each process needs at the broker, and no more.

    By default as calls of Kafka's own tool, without asking a broker. Rights are never taken away: what a user has
    beyond the table is named.

    \b
    scribe topics acls --process relay --user relay=alice
    scribe topics acls --json
    scribe topics acls --apply
    """
