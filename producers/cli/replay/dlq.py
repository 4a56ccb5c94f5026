"""`scribe dlq`: lists, shows, redrives, discards and skips records that could not be processed, for operators."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
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
from schemas.process.command_line import with_options
from schemas.retries.schedules import LADDER
from schemas.settings.loading import load
from schemas.settings.processes import ReplayProcess
from schemas.topics import DIARIZERS, TRANSCRIBERS
from schemas.vocabulary.nearest import unknown
from schemas.wire.headers import Origin
from sink.jobs.replay_log import ReplayAction, ReplayEntry, latest
from sink.postgres.database import Database
from sink.records.serdes import serde_for


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterOptions:
    """The selection of dead letters of a command; None: any."""

    group: str | None
    kind: str | None
    code: str | None
    tenant: str | None
    job: IdPrefix | None
    since: datetime | None
    until: datetime | None
    text: str | None

    @property
    def wanted(self) -> DeadLetterFilter:
        """The options as a filter; raises Rejected for values that no dead letter can have."""
        for option, word, known in (("--kind", self.kind, KINDS), ("--code", self.code, CODES)):
            if word is not None and word not in known:
                raise Rejected("invalid_request", f"{option}: {unknown('word', word, known)}")
        return DeadLetterFilter(**{field.name: getattr(self, field.name) for field in fields(DeadLetterFilter)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions(LetterOptions):
    """The arguments of `scribe dlq list`."""

    all_: bool
    limit: int
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenOptions(LetterOptions):
    """The arguments of a command that acts on the dead letters that it names or selects."""

    items: list[str] | None
    everything: bool
    dry_run: bool
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveOptions(ChosenOptions):
    """The arguments of `scribe dlq redrive`."""

    to: str | None
    force: bool
    unreadable: bool
    rate: float | None


@with_options(ListOptions)
def list_(options: ListOptions) -> None:
    """Implements `scribe dlq list`."""
    settings = load(ReplayProcess)
    letters = _letters(settings, (), options.group, options.wanted, values=False)
    handled = with_database(lambda database: _handled(database, letters))
    shown = [letter for letter in letters if options.all_ or letter.record.place not in handled]
    shown.sort(key=lambda letter: letter.record.at, reverse=True)
    first, more = shown[: options.limit], max(0, len(shown) - options.limit)
    if options.as_json:
        print_lines(first, handled)
    else:
        print_letters(first, handled if options.all_ else {}, more)


def show(item: str, as_json: bool) -> None:
    """Implements `scribe dlq show`."""
    settings = load(ReplayProcess)
    with TopicHistory.open(settings) as history:
        letter = find(history, serde_for(settings), place_of(item))
    if as_json:
        print_json(contents(letter))
    else:
        sys.stdout.write(json_text(contents(letter), indent=1) + "\n")


@with_options(RedriveOptions)
def redrive_(options: RedriveOptions) -> None:
    """Implements `scribe dlq redrive`."""
    settings = load(ReplayProcess)
    letters = _chosen(settings, options)
    _check_step(options.to, letters)
    command = command_of(ReplayAction.REDRIVE, force=options.force)
    with asking_store(settings) as store:
        prepared = prepare(serde_for(settings), store, letters, options.to, unreadable=options.unreadable)
    if options.dry_run:
        refused = with_database(lambda database: preview(database, command, prepared))
        print_counts(letters, refused, options.as_json)
        return
    goes_on = "to go on: the same command again, which does nothing twice"
    with sending(settings, "redriven", len(prepared.items), goes_on) as (publisher, on_sent):
        rate_limit = RateLimit(options.rate)
        report = with_database(lambda database: send_again(database, publisher, command, prepared, rate_limit, on_sent))
    tell(command, _names(letters), report, "redriven", options.as_json)


@with_options(ChosenOptions)
def discard(options: ChosenOptions) -> None:
    """Implements `scribe dlq discard`."""
    settings = load(ReplayProcess)
    letters = _chosen(settings, options)
    if options.dry_run:
        print_counts(letters, {}, options.as_json)
        return
    command = command_of(ReplayAction.DISCARD)
    report = with_database(lambda database: write_off(database, command, letters))
    tell(command, _names(letters), report, "discarded", options.as_json)


def _chosen(settings: ReplayProcess, options: ChosenOptions) -> list[DeadLetter]:
    wanted = options.wanted
    if not (options.items or options.group or options.everything or wanted != DeadLetterFilter()):
        raise typer.BadParameter("name items or options that pick some, or say --everything")
    return _letters(settings, options.items or (), options.group, wanted)


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
    """Raise Ambiguous where an id prefix matches dead letters of several jobs."""
    if job is not None and job.whole is None and letters:
        only_one(job, {letter.job_id: letter.tenant for letter in letters if letter.job_id}, "job")


def _check_step(step: str | None, letters: Sequence[DeadLetter]) -> None:
    if step is None:
        return
    if step not in LADDER.steps:
        raise typer.BadParameter(f"must be one of {', '.join(LADDER.steps)}", param_hint="--to")
    if others := {letter.group for letter in letters} - {TRANSCRIBERS, DIARIZERS}:
        raise typer.BadParameter(f"{', '.join(sorted(others))} has no retry topics", param_hint="--to")


async def _handled(database: Database, letters: Sequence[DeadLetter]) -> dict[Origin, ReplayEntry]:
    async with database.connection() as connection:
        return await latest(connection, {letter.record.place: letter.record.at for letter in letters})


def _names(letters: Sequence[DeadLetter]) -> Mapping[Origin, str]:
    return {letter.record.place: letter.name for letter in letters}
