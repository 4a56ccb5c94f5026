"""`scribe replay`: runs jobs again from the job topics, for operators."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TextIO
from uuid import UUID

import typer

from producers.cli.clients.objects import asking_store
from producers.cli.operators.database_ids import ids_of
from producers.cli.operators.keys import with_database
from producers.cli.replay.rows import command_of, print_table, reading, sending, tell
from producers.inputs.id_prefix import IdPrefix
from producers.kafka.admin import TopicAdmin
from producers.kafka.topic_history import TopicHistory
from producers.messages.exit_codes import TROUBLE
from producers.replay.new_run import Changes
from producers.replay.replayer import RateLimit, preview, send_again
from producers.replay.selection import (
    ReplayFilter,
    ReplayTarget,
    SelectedRequest,
    check_model,
    check_results,
    prepare,
    read,
)
from schemas.models.registry import load_registry
from schemas.settings.loading import load
from schemas.settings.processes import ReplayProcess
from schemas.wire.headers import Origin
from sink.jobs.replay_log import ReplayAction, ReplayRejection
from sink.postgres.database import Database
from sink.postgres.id_lookup import Kind
from sink.records.serdes import serde_for


def replay(
    since: datetime | None,
    until: datetime | None,
    tenant: str | None,
    job: list[IdPrefix] | None,
    jobs_from: typer.FileText | None,
    model: str | None,
    language: str | None,
    track: str | None,
    results: str | None,
    include_running: bool,
    rate: float | None,
    replay_id: UUID | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Implements `scribe replay`."""
    jobs = _jobs(job, jobs_from, tenant)
    wanted = ReplayFilter(tenant=tenant, jobs=jobs, since=since, until=until)
    if wanted == ReplayFilter():
        raise typer.BadParameter("say which: --since, --until, --tenant, --job or --jobs-from")
    settings = load(ReplayProcess)
    registry = load_registry(settings.models_file, settings.default_model, settings.diarizer)
    if model:
        check_model(registry, model)
    if results is not None:
        check_results(TopicAdmin(settings), results)
    target = ReplayTarget(changes=Changes(model=model, language=language, track=track), results=results)
    serde, command = serde_for(settings), command_of(ReplayAction.REPLAY, replay_id=replay_id, force=include_running)
    with reading(), TopicHistory.open(settings) as history:
        found = read(history, serde, wanted, replay_id=command.replay_id)
    missing = _missing(found, jobs)
    with asking_store(settings) as store:
        prepared = prepare(serde, store, registry, found, target)
    if dry_run:
        refused = with_database(lambda database: preview(database, command, prepared))
        _print_counts(found, refused, as_json)
    else:
        _say(prepared.refused, len(prepared.items))
        again = f"to go on: the same command with --replay-id {command.replay_id}"
        with sending(settings, "replayed", len(prepared.items), again) as (publisher, on_sent):
            report = with_database(
                lambda database: send_again(database, publisher, command, prepared, RateLimit(rate), on_sent)
            )
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


def _missing(found: Sequence[SelectedRequest], jobs: frozenset[UUID] | None) -> frozenset[UUID]:
    """Print a message for each named job that has no record any more."""
    missing = (jobs or frozenset()) - {each.request.job_id for each in found}
    sys.stderr.write("".join(f"{job_id}: no record that is meant in the job topics\n" for job_id in sorted(missing)))
    return missing


def _say(refused: Mapping[Origin, ReplayRejection], count: int) -> None:
    """Print what is known before anything is sent."""
    reasons = "".join(f", {count} refused: {reason}" for reason, count in Counter(refused.values()).items())
    sys.stderr.write(f"{count} to be replayed{reasons}\n")


def _print_counts(found: Sequence[SelectedRequest], refused: Mapping[Origin, ReplayRejection], as_json: bool) -> None:
    counts: Counter[tuple[str, ...]] = Counter(
        (x.request.tenant, x.record.place.topic, x.request.options.model or "", str(refused.get(x.record.place, "")))
        for x in found
    )
    print_table(("tenant", "topic", "model", "refused"), counts, as_json)


def _names(found: Sequence[SelectedRequest]) -> Mapping[Origin, str]:
    return {each.record.place: str(each.request.job_id) for each in found}
