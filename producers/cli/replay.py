"""`scribe replay`: jobs done again from the job topics, for operators."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, TextIO
from uuid import UUID

import typer

from producers.admin import TopicAdmin
from producers.cli.database_ids import ids_of
from producers.cli.dlq_rows import command_of, print_table, progress, reading, tell
from producers.cli.ids import id_prefix
from producers.cli.keys import Json, with_database
from producers.cli.times import TIMES, utc
from producers.exit_codes import TROUBLE
from producers.history import History
from producers.id_prefix import IdPrefix
from producers.publisher import Publisher
from producers.renewal import Changes
from producers.replay import Found, Target, Wanted, check_model, check_results, prepare, read
from producers.replaying import Pace, preview, send_again
from schemas.errors import Outage
from schemas.headers import Origin
from schemas.models import load_registry
from schemas.settings import ReplayProcess, load
from sink.id_lookup import Kind
from sink.postgres import Database
from sink.replays import Action, Refusal
from sink.s3 import S3ObjectStore
from sink.schema_registry import serde_for


def replay(
    since: Annotated[
        datetime | None, typer.Option(formats=TIMES, help="Published at this time (UTC) or later.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(formats=TIMES, help="Published before this time (UTC).")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of this tenant.")] = None,
    job: Annotated[
        list[IdPrefix] | None, typer.Option(parser=id_prefix, metavar="JOB", help="This job; may be repeated.")
    ] = None,
    jobs_from: Annotated[
        typer.FileText | None, typer.Option(help="A file with the id of a job on each line; - reads stdin.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Another model; '': the default one.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Another language; '': the model's default or detection.")
    ] = None,
    results: Annotated[
        str | None,
        typer.Option(
            metavar="TOPIC", help="Write results to this topic, such as scribe.results.trial, and change nothing else."
        ),
    ] = None,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Also jobs that have not ended.")] = False,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Jobs a second at most.")] = None,
    replay_id: Annotated[
        UUID | None, typer.Option(help="Go on with a replay that was cut off, with the same options.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what is meant, and say what would be refused.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Do jobs again as their next run, from their records in the job topics, without anybody submitting them again.

    The new run replaces state, transcript and speakers when it begins, and is announced by a webhook when it ends. With
    --results it does neither.

    [bold]scribe replay --tenant acme --since 2026-01-31 --model large-v3 --rate 5[/]

    [bold]scribe replay --job 0b7e1d0a-… --model large-v3 --results scribe.results.trial[/]
    """
    jobs = _jobs(job, jobs_from, tenant)
    wanted = Wanted(tenant=tenant, jobs=jobs, since=utc(since), until=utc(until))
    if wanted == Wanted():
        raise typer.BadParameter("say which: --since, --until, --tenant, --job or --jobs-from")
    settings = load(ReplayProcess)
    registry = load_registry(settings.models_file, settings.default_model, settings.diarizer)
    if model:
        check_model(registry, model)
    if results is not None:
        check_results(TopicAdmin(settings), results)
    target = Target(changes=Changes(model=model, language=language), results=results)
    serde, command = serde_for(settings), command_of(Action.REPLAY, replay_id=replay_id, again=unfinished)
    with reading(), History.open(settings) as history:
        found = read(history, serde, wanted, replay_id=command.replay_id)
    missing = _missing(found, jobs)
    prepared = prepare(serde, S3ObjectStore(settings), registry, found, target)
    if dry_run:
        refused = with_database(lambda database: preview(database, command, prepared))
        _print_counts(found, refused, as_json)
    else:
        _say(prepared.refused, len(prepared.items))
        with Publisher(settings, "scribe-cli") as publisher, progress("replayed", len(prepared.items)) as told:
            try:
                report = with_database(
                    lambda database: send_again(database, publisher, command, prepared, Pace(rate), told)
                )
            except Outage as error:
                raise Outage(f"{error}; to go on: the same command with --replay-id {command.replay_id}") from error
        tell(command, _names(found), report, "replayed", as_json)
    if missing:
        raise typer.Exit(TROUBLE)


def _jobs(given: Sequence[IdPrefix] | None, lines: TextIO | None, tenant: str | None) -> frozenset[UUID] | None:
    if not given and lines is None:
        return None
    try:
        named = [*(given or ()), *(IdPrefix.parse(line) for line in lines or () if line.strip())]
    except ValueError as error:
        raise typer.BadParameter(f"has a line that {error}", param_hint="--jobs-from") from None
    whole = frozenset(prefix.whole for prefix in named if prefix.whole)
    begun = [prefix for prefix in named if prefix.whole is None]
    return whole | frozenset(with_database(partial(_begun, begun, tenant))) if begun else whole


async def _begun(prefixes: Sequence[IdPrefix], tenant: str | None, database: Database) -> tuple[UUID, ...]:
    async with database.connection() as connection:
        return await ids_of(connection, prefixes, Kind.JOB, tenant=tenant)


def _missing(found: Sequence[Found], jobs: frozenset[UUID] | None) -> frozenset[UUID]:
    """Jobs that were named and have no record any more, each told."""
    missing = (jobs or frozenset()) - {each.request.job_id for each in found}
    sys.stderr.write("".join(f"{job_id}: no record that is meant in the job topics\n" for job_id in sorted(missing)))
    return missing


def _say(refused: Mapping[Origin, Refusal], going: int) -> None:
    """What is known before anything is sent."""
    reasons = "".join(f", {count} refused: {reason}" for reason, count in Counter(refused.values()).items())
    sys.stderr.write(f"{going} to be replayed{reasons}\n")


def _print_counts(found: Sequence[Found], refused: Mapping[Origin, Refusal], as_json: bool) -> None:
    counts: Counter[tuple[str, ...]] = Counter(
        (x.request.tenant, x.record.place.topic, x.request.options.model or "", str(refused.get(x.record.place, "")))
        for x in found
    )
    print_table(("tenant", "topic", "model", "refused"), counts, as_json)


def _names(found: Sequence[Found]) -> Mapping[Origin, str]:
    return {each.record.place: str(each.request.job_id) for each in found}
