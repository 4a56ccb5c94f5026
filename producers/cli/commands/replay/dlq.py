"""Arguments and options of `scribe dlq`."""

from datetime import datetime
from typing import Annotated

import typer

from producers.cli.commands.options import Json, id_prefix, time_option, words
from producers.inputs.id_prefix import IdPrefix
from schemas.errors import CODES, KINDS
from schemas.process.command_line import command_line, deferred_to
from schemas.retries.schedules import LADDER
from schemas.topics import GROUPS

app = command_line("Dead letters; needs the settings of Kafka, PostgreSQL and the object store.")

Items = Annotated[
    list[str] | None, typer.Argument(metavar="ITEM", help="As `list` names them; else all that the options pick.")
]
_GROUPS = [group.split(".")[1] for group in GROUPS]
Group = Annotated[str | None, typer.Option(help=f"Of this group: {', '.join(_GROUPS)}.", autocompletion=words(_GROUPS))]
Kind = Annotated[
    str | None,
    typer.Option(help="With this kind of error, such as poison or internal.", autocompletion=words(KINDS)),
]
Code = Annotated[
    str | None, typer.Option(help="With this error code, such as undecodable.", autocompletion=words(CODES))
]
Tenant = Annotated[str | None, typer.Option(help="Of this tenant.")]
Job = Annotated[IdPrefix | None, typer.Option(parser=id_prefix, metavar="JOB", help="Of this job.")]
Since = Annotated[datetime | None, time_option("Set aside at this time (UTC) or later.")]
Until = Annotated[datetime | None, time_option("Set aside before this time (UTC).")]
Text = Annotated[str | None, typer.Option(help="With this text in the message.")]
Everything = Annotated[bool, typer.Option("--everything", help="All there are: needed when nothing else is named.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what is meant, and say what would be refused.")]
Force = Annotated[bool, typer.Option("--force", help="Also those that were redriven or discarded before.")]
Rate = Annotated[float | None, typer.Option(min=0.01, help="Records a second at most.")]


@app.command("list")
@deferred_to("producers.cli.replay.dlq")
def list_(
    group: Group = None,
    kind: Kind = None,
    code: Code = None,
    tenant: Tenant = None,
    job: Job = None,
    since: Since = None,
    until: Until = None,
    text: Text = None,
    all_: Annotated[bool, typer.Option("--all", help="Also those that were redriven or discarded.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    as_json: Json = False,
) -> None:
    """List dead letters about which nothing was done yet, the newest first.

    \b
    scribe dlq list --group transcribers --since 2026-01-31
    """


@app.command()
@deferred_to("producers.cli.replay.dlq")
def show(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="As `list` names it.")],
    as_json: Annotated[bool, typer.Option("--json", help="On one line, for programs.")] = False,
) -> None:
    """Print all of a dead letter as JSON: headers, error, and the event, or the bytes that nobody can read in hex.

    \b
    scribe dlq show transcribers/3/1234
    """


@app.command("redrive")
@deferred_to("producers.cli.replay.dlq")
def redrive_(
    items: Items = None,
    group: Group = None,
    kind: Kind = None,
    code: Code = None,
    tenant: Tenant = None,
    job: Job = None,
    since: Since = None,
    until: Until = None,
    text: Text = None,
    everything: Everything = False,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="STEP",
            help=f"A step of the group's retries instead of its origin: {', '.join(LADDER.steps)}.",
            autocompletion=words(LADDER.steps),
        ),
    ] = None,
    force: Force = False,
    unreadable: Annotated[
        bool, typer.Option("--unreadable", help="Also what this version cannot read: the group's processes must.")
    ] = False,
    rate: Rate = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send dead letters back to where they came from, each once, and print a summary.

    What nobody can read would only come back and is refused. After an upgrade of a group whose processes can read it, use the new version of this command, or --unreadable.

    Jobs begin their next run. What the Faust apps set aside comes back to the same app only.

    \b
    scribe dlq redrive transcribers/3/1234
    scribe dlq redrive --code retries_exhausted --since 2026-01-31 --rate 2
    """


@app.command()
@deferred_to("producers.cli.replay.dlq")
def discard(
    items: Items = None,
    group: Group = None,
    kind: Kind = None,
    code: Code = None,
    tenant: Tenant = None,
    job: Job = None,
    since: Since = None,
    until: Until = None,
    text: Text = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write down that nothing is to be done about dead letters, so that `list` shows them no more.

    \b
    scribe dlq discard --code undecodable --until 2026-01-31
    """


@app.command()
@deferred_to("producers.cli.replay.skip")
def skip(
    group: Annotated[
        str, typer.Argument(metavar="GROUP", help="Such as persist or transcribers.", autocompletion=words(_GROUPS))
    ],
    place: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="As the logs name the record.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, or why not.")] = False,
) -> None:
    """Let a group pass over a record: its dead letter says who wanted that, and its job ends as failed if it names one.

    The Faust apps (persist, enhance, webhooks) do so within seconds where they run, else when they start. The processes of
    a GPU group must be stopped meanwhile; a job in work there is ended by `scribe cancel`.

    \b
    scribe dlq skip persist scribe.jobs/3/1234
    """
