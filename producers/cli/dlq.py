"""`scribe dlq`: what could not be worked on, for operators: looked at, sent back, set aside for good, or passed over."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

import typer

from producers.cli.dlq_rows import command_of, print_counts, print_letters, print_lines, progress, reading, tell
from producers.cli.dlq_skip import skip
from producers.cli.ids import id_prefix
from producers.cli.keys import Json, with_database
from producers.cli.outcome import print_json
from producers.cli.times import TIMES, utc
from producers.dead_letters import DLQS, DeadLetter, Wanted, contents, find, group_of, place_of, read
from producers.history import History
from producers.id_prefix import IdPrefix, only_one
from producers.publisher import Publisher
from producers.redrive import discard as write_off
from producers.redrive import prepare
from producers.replaying import Pace, preview, send_again
from schemas.errors import Outage
from schemas.headers import Origin
from schemas.settings import ReplayProcess, load
from schemas.topics import DIARIZERS, GROUPS, RETRY_DELAYS, TRANSCRIBERS
from sink.postgres import Database
from sink.replays import Action, Entry, latest
from sink.s3 import S3ObjectStore
from sink.schema_registry import serde_for

app = typer.Typer(
    no_args_is_help=True, help="Dead letters; needs the settings of Kafka, PostgreSQL and the object store."
)

app.command()(skip)

Items = Annotated[
    list[str] | None, typer.Argument(metavar="[ITEM]...", help="As `list` names them; else all that the options pick.")
]
Group = Annotated[str | None, typer.Option(help=f"Of this group: {', '.join(g.split('.')[1] for g in GROUPS)}.")]
Kind = Annotated[str | None, typer.Option(help="With this kind of error, such as poison or internal.")]
Code = Annotated[str | None, typer.Option(help="With this error code, such as undecodable.")]
Tenant = Annotated[str | None, typer.Option(help="Of this tenant.")]
Job = Annotated[IdPrefix | None, typer.Option(parser=id_prefix, metavar="JOB", help="Of this job.")]
Since = Annotated[datetime | None, typer.Option(formats=TIMES, help="Set aside at this time (UTC) or later.")]
Until = Annotated[datetime | None, typer.Option(formats=TIMES, help="Set aside before this time (UTC).")]
Text = Annotated[str | None, typer.Option(help="With this text in the message.")]
Everything = Annotated[bool, typer.Option("--everything", help="All there are: needed when nothing else is named.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what is meant, and say what would be refused.")]
Again = Annotated[bool, typer.Option("--again", help="Also those that were redriven or discarded before.")]
Rate = Annotated[float | None, typer.Option(min=0.01, help="Records a second at most.")]


@app.command("list")
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

    [bold]scribe dlq list --group transcribers --since 2026-01-31[/]
    """
    settings = load(ReplayProcess)
    letters = _letters(settings, (), group, _wanted(kind, code, tenant, job, since, until, text), values=False)
    handled = with_database(lambda database: _handled(database, letters))
    shown = [letter for letter in letters if all_ or letter.record.place not in handled]
    shown.sort(key=lambda letter: letter.record.at, reverse=True)
    if as_json:
        print_lines(shown[:limit], handled)
    else:
        print_letters(shown[:limit], handled if all_ else {}, len(shown) - limit if len(shown) > limit else 0)


@app.command()
def show(item: Annotated[str, typer.Argument(metavar="ITEM", help="As `list` names it.")]) -> None:
    """Print all of a dead letter as JSON: headers, error, and the event, or the bytes that nobody can read in hex.

    [bold]scribe dlq show transcribers/3/1234[/]
    """
    settings = load(ReplayProcess)
    with History.open(settings) as history:
        letter = find(history, serde_for(settings), place_of(item))
    print_json(contents(letter))


@app.command("redrive")
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
        typer.Option(help=f"A step of the group's retries instead of its origin: {', '.join(RETRY_DELAYS)}."),
    ] = None,
    again: Again = False,
    rate: Rate = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send dead letters back to where they came from, each once, and print a summary.

    Jobs begin their next run. What the Faust apps set aside comes back to the same app only.

    [bold]scribe dlq redrive transcribers/3/1234[/]

    [bold]scribe dlq redrive --code retries_exhausted --since 2026-01-31 --rate 2[/]
    """
    settings = load(ReplayProcess)
    wanted = _wanted(kind, code, tenant, job, since, until, text)
    letters = _chosen(settings, items, group, wanted, everything)
    _check_step(to, letters)
    command = command_of(Action.REDRIVE, again=again)
    prepared = prepare(serde_for(settings), S3ObjectStore(settings), letters, to)
    if dry_run:
        refused = with_database(lambda database: preview(database, command, prepared))
        print_counts(letters, refused, as_json)
        return
    with Publisher(settings, "scribe-cli") as publisher, progress("redriven", len(prepared.items)) as told:
        try:
            report = with_database(
                lambda database: send_again(database, publisher, command, prepared, Pace(rate), told)
            )
        except Outage as error:
            raise Outage(f"{error}; to go on: the same command again") from error
    tell(command, _names(letters), report, "redriven", as_json)


@app.command()
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

    [bold]scribe dlq discard --code undecodable --until 2026-01-31[/]
    """
    settings = load(ReplayProcess)
    letters = _chosen(settings, items, group, _wanted(kind, code, tenant, job, since, until, text), everything)
    if dry_run:
        print_counts(letters, {}, as_json)
        return
    command = command_of(Action.DISCARD)
    report = with_database(lambda database: write_off(database, command, letters))
    tell(command, _names(letters), report, "discarded", as_json)


def _wanted(
    kind: str | None,
    code: str | None,
    tenant: str | None,
    job: IdPrefix | None,
    since: datetime | None,
    until: datetime | None,
    text: str | None,
) -> Wanted:
    return Wanted(kind=kind, code=code, tenant=tenant, job=job, since=utc(since), until=utc(until), text=text)


def _chosen(
    settings: ReplayProcess, items: Sequence[str] | None, group: str | None, wanted: Wanted, everything: bool
) -> list[DeadLetter]:
    if not (items or group or everything or wanted != Wanted()):
        raise typer.BadParameter("name items or options that pick some, or say --everything")
    return _letters(settings, items or (), group, wanted)


def _letters(
    settings: ReplayProcess, items: Sequence[str], group: str | None, wanted: Wanted, *, values: bool = True
) -> list[DeadLetter]:
    serde = serde_for(settings)
    places = [place_of(item) for item in items]
    topics = {topic: name for topic, name in DLQS.items() if group is None or name == group_of(group)}
    with reading(), History.open(settings) as history:
        if places:
            letters = [find(history, serde, place) for place in dict.fromkeys(places)]
            letters = [letter for letter in letters if letter.group in topics.values() and wanted.matches(letter)]
        else:
            letters = list(read(history, serde, wanted, topics, values=values))
    _check_job(wanted.job, letters)
    return letters


def _check_job(job: IdPrefix | None, letters: Sequence[DeadLetter]) -> None:
    """Raise Ambiguous where the beginning of an id fits letters of several jobs."""
    if job is not None and job.whole is None and letters:
        only_one(job, {letter.job_id: letter.tenant for letter in letters if letter.job_id}, "job")


def _check_step(step: str | None, letters: Sequence[DeadLetter]) -> None:
    if step is None:
        return
    if step not in RETRY_DELAYS:
        raise typer.BadParameter(f"must be one of {', '.join(RETRY_DELAYS)}", param_hint="--to")
    if others := {letter.group for letter in letters} - {TRANSCRIBERS, DIARIZERS}:
        raise typer.BadParameter(f"{', '.join(sorted(others))} has no retry topics", param_hint="--to")


async def _handled(database: Database, letters: Sequence[DeadLetter]) -> dict[Origin, Entry]:
    async with database.connection() as connection:
        return await latest(connection, {letter.record.place: letter.record.at for letter in letters})


def _names(letters: Sequence[DeadLetter]) -> Mapping[Origin, str]:
    return {letter.record.place: letter.name for letter in letters}
