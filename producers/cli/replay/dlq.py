"""`scribe dlq`: what could not be worked on, for operators: looked at, sent back, set aside for good, or passed over."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime

import typer

from producers.cli.clients.objects import asking_store
from producers.cli.operators.keys import with_database
from producers.cli.replay.rows import command_of, print_counts, print_letters, print_lines, reading, sending, tell
from producers.cli.terminal.json_lines import json_text, print_json
from producers.inputs.id_prefix import IdPrefix, only_one
from producers.kafka.topic_history import TopicHistory
from producers.replay.dead_letters import DLQS, DeadLetter, DeadLetterFilter, contents, find, group_of, place_of, read
from producers.replay.redrive import discard as write_off
from producers.replay.redrive import prepare
from producers.replay.replayer import RateLimit, preview, send_again
from schemas.errors import CODES, KINDS, Rejected
from schemas.settings import ReplayProcess, load
from schemas.topics import DIARIZERS, RETRY_DELAYS, TRANSCRIBERS
from schemas.vocabulary.nearest import unknown
from schemas.wire.headers import Origin
from sink.jobs.replay_log import ReplayAction, ReplayEntry, latest
from sink.postgres.database import Database
from sink.records.serdes import serde_for


def list_(
    group: str | None,
    kind: str | None,
    code: str | None,
    tenant: str | None,
    job: IdPrefix | None,
    since: datetime | None,
    until: datetime | None,
    text: str | None,
    all_: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Does `scribe dlq list`."""
    settings = load(ReplayProcess)
    letters = _letters(settings, (), group, _wanted(kind, code, tenant, job, since, until, text), values=False)
    handled = with_database(lambda database: _handled(database, letters))
    shown = [letter for letter in letters if all_ or letter.record.place not in handled]
    shown.sort(key=lambda letter: letter.record.at, reverse=True)
    if as_json:
        print_lines(shown[:limit], handled)
    else:
        print_letters(shown[:limit], handled if all_ else {}, len(shown) - limit if len(shown) > limit else 0)


def show(item: str, as_json: bool) -> None:
    """Does `scribe dlq show`."""
    settings = load(ReplayProcess)
    with TopicHistory.open(settings) as history:
        letter = find(history, serde_for(settings), place_of(item))
    if as_json:
        print_json(contents(letter))
    else:
        sys.stdout.write(json_text(contents(letter), indent=1) + "\n")


def redrive_(
    items: list[str] | None,
    group: str | None,
    kind: str | None,
    code: str | None,
    tenant: str | None,
    job: IdPrefix | None,
    since: datetime | None,
    until: datetime | None,
    text: str | None,
    everything: bool,
    to: str | None,
    again: bool,
    unreadable: bool,
    rate: float | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Does `scribe dlq redrive`."""
    settings = load(ReplayProcess)
    wanted = _wanted(kind, code, tenant, job, since, until, text)
    letters = _chosen(settings, items, group, wanted, everything)
    _check_step(to, letters)
    command = command_of(ReplayAction.REDRIVE, again=again)
    with asking_store(settings) as store:
        prepared = prepare(serde_for(settings), store, letters, to, unreadable=unreadable)
    if dry_run:
        refused = with_database(lambda database: preview(database, command, prepared))
        print_counts(letters, refused, as_json)
        return
    again_ = "to go on: the same command again, which does nothing twice"
    with sending(settings, "redriven", len(prepared.items), again_) as (publisher, told):
        report = with_database(
            lambda database: send_again(database, publisher, command, prepared, RateLimit(rate), told)
        )
    tell(command, _names(letters), report, "redriven", as_json)


def discard(
    items: list[str] | None,
    group: str | None,
    kind: str | None,
    code: str | None,
    tenant: str | None,
    job: IdPrefix | None,
    since: datetime | None,
    until: datetime | None,
    text: str | None,
    everything: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Does `scribe dlq discard`."""
    settings = load(ReplayProcess)
    letters = _chosen(settings, items, group, _wanted(kind, code, tenant, job, since, until, text), everything)
    if dry_run:
        print_counts(letters, {}, as_json)
        return
    command = command_of(ReplayAction.DISCARD)
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
) -> DeadLetterFilter:
    for option, word, known in (("--kind", kind, KINDS), ("--code", code, CODES)):
        if word is not None and word not in known:
            raise Rejected("invalid_request", f"{option}: {unknown('word', word, known)}")
    return DeadLetterFilter(kind=kind, code=code, tenant=tenant, job=job, since=since, until=until, text=text)


def _chosen(
    settings: ReplayProcess, items: Sequence[str] | None, group: str | None, wanted: DeadLetterFilter, everything: bool
) -> list[DeadLetter]:
    if not (items or group or everything or wanted != DeadLetterFilter()):
        raise typer.BadParameter("name items or options that pick some, or say --everything")
    return _letters(settings, items or (), group, wanted)


def _letters(
    settings: ReplayProcess, items: Sequence[str], group: str | None, wanted: DeadLetterFilter, *, values: bool = True
) -> list[DeadLetter]:
    serde = serde_for(settings)
    places = [place_of(item) for item in items]
    topics = {topic: name for topic, name in DLQS.items() if group is None or name == group_of(group)}
    with reading(), TopicHistory.open(settings) as history:
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


async def _handled(database: Database, letters: Sequence[DeadLetter]) -> dict[Origin, ReplayEntry]:
    async with database.connection() as connection:
        return await latest(connection, {letter.record.place: letter.record.at for letter in letters})


def _names(letters: Sequence[DeadLetter]) -> Mapping[Origin, str]:
    return {letter.record.place: letter.name for letter in letters}
