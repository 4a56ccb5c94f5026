"""Redrive of dead letters to their origin, or their final discard."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from producers.replay.dead_letters import DeadLetter
from producers.replay.new_run import begins_run, recording_of, redriven
from producers.replay.replayer import Prepared, ReplayItem, Report, gone
from schemas.ports import ObjectStore
from schemas.topics import READS, TENANTS
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from sink.jobs.replay_log import (
    ReplayAction,
    ReplayCommand,
    ReplayEntry,
    ReplayRejection,
    ReplayRequest,
    record_intents,
)
from sink.postgres.database import Connection, Database

Topics = Mapping[str, Collection[str]]
# an old policy behind a newer one would be the only one that compaction leaves
WAYS_BACK: Topics = {group: frozenset(topics) - {TENANTS} for group, topics in READS.items()}
"""The topics to which dead letters of each group may go back, whatever their headers say."""


def prepare(
    serde: Serde,
    store: ObjectStore,
    letters: Sequence[DeadLetter],
    step: str | None = None,
    ways_back: Topics = WAYS_BACK,
    *,
    unreadable: bool = False,
) -> Prepared:
    """Check everything that needs no database; `step` as for `redriven`. Raises Outage.

    `unreadable`: accept records that cannot be decoded here, which is right only where the group's processes now can.
    """
    reasons = {letter.record.place: _impossible(letter, ways_back, unreadable) for letter in letters}
    refused = {place: reason for place, reason in reasons.items() if reason is not None}
    items = [_item(serde, letter, step) for letter in letters if letter.record.place not in refused]
    missing = gone(store, items)
    refused |= dict.fromkeys(missing, ReplayRejection.RECORDING_GONE)
    return Prepared([item for item in items if item.request.place not in missing], refused)


async def discard(database: Database, command: ReplayCommand, letters: Sequence[DeadLetter]) -> Report:
    """Record that dead letters need no action; they stay in the topic until their retention ends."""
    requests = [replay_request_of(letter) for letter in letters]

    async def write(connection: Connection) -> Report:
        entries, refused = await record_intents(connection, command, requests)
        return Report(list(entries.values()), refused)

    return await database.run(write)


def replay_request_of(letter: DeadLetter, *, action: ReplayAction = ReplayAction.DISCARD) -> ReplayRequest:
    """The audit entry of a dead letter; only a redrive begins a run."""
    event = begins_run(letter) if action is ReplayAction.REDRIVE else None
    record, run = letter.record, event.run if event else None
    return ReplayRequest(place=record.place, at=record.at, tenant=letter.tenant, job_id=letter.job_id, run=run)


def _item(serde: Serde, letter: DeadLetter, step: str | None) -> ReplayItem:
    event = begins_run(letter)
    request = replay_request_of(letter, action=ReplayAction.REDRIVE)
    return ReplayItem(request, partial(_record, serde, letter, step), recording_of(event))


def _record(serde: Serde, letter: DeadLetter, step: str | None, entry: ReplayEntry) -> Record:
    return redriven(serde, letter, entry.replay_id, entry.run, step, datetime.now(UTC))


def _impossible(letter: DeadLetter, ways_back: Topics, unreadable: bool) -> ReplayRejection | None:
    if letter.origin is None or letter.origin.topic not in ways_back.get(letter.group, ()):
        return ReplayRejection.NO_ORIGIN
    if letter.unreadable:
        return ReplayRejection.NO_RECORD
    if letter.omitted:
        return ReplayRejection.VALUE_GONE
    return ReplayRejection.UNREADABLE if letter.event is None and not unreadable else None
