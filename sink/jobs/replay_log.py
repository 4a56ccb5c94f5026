"""Audit log of replays: each replayed record is logged with the run that it begins, before it is sent and after.

An entry without its end shows that a command died in between. The next command replays the same run again, which is the
same event, so nothing is done twice.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Json

from schemas.wire.headers import Origin
from sink.jobs.runs import job_versions
from sink.jobs.states import UNFINISHED_STATES
from sink.postgres.advisory_locks import REPLAY_BEFORE, KeyedLock
from sink.postgres.database import Connection, Database
from sink.postgres.job_lock import lock_all
from sink.postgres.sanitize import sanitize_text


class ReplayAction(StrEnum):
    """Actions on a record."""

    REDRIVE = "redrive"
    DISCARD = "discard"
    REPLAY = "replay"


LAST_RUN = 2**31 - 1  # as the events and the table have it
_AT_WORK = (REPLAY_BEFORE, KeyedLock.REPLAY)


class ReplayRejection(StrEnum):
    """Reasons why a record is not replayed."""

    DONE = "done before"
    ERASED = "the job was erased, or its time is over"
    UNFINISHED = "the job has not ended"
    FOREIGN = "the job id belongs to another tenant"
    BUSY = "another command is at it"
    NO_ORIGIN = "it came from no topic to which it may go back"
    VALUE_GONE = "its value was too large for a dead letter, and its origin is over"
    NO_RECORD = "it holds no record: these are the bytes of what could not be read"
    INVALID = "its request is not valid, with the changes that were asked for"
    RECORDING_GONE = "its recording is over"
    UNREADABLE = "nobody can read it, so it would only come back; --unreadable sends it to processes that can"
    NO_RUN = "there is no run after its last one"
    TOO_LARGE = "the broker refuses the record"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """A record with its timestamp that is to be replayed; with `run`, its event's run, as the next run of its job."""

    place: Origin
    at: datetime
    tenant: str = ""
    job_id: UUID | None = None
    run: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayEntry:
    """An entry of the audit log; `done_at` is None until the action is confirmed."""

    topic: str
    partition: int
    record_offset: int
    number: int
    action: ReplayAction
    replay_id: UUID
    tenant: str
    job_id: UUID | None
    run: int | None
    by: str
    at: datetime
    done_at: datetime | None

    @property
    def place(self) -> Origin:
        """The position of the record."""
        return Origin(self.topic, self.partition, self.record_offset)


_COLUMNS = ", ".join(f"r.{name}" for name in ReplayEntry.__dataclass_fields__)
# What was written down well before a record was written is about another one: its topic was made anew since.
_LATEST = f"""
SELECT DISTINCT ON (r.topic, r.partition, r.record_offset) {_COLUMNS}
FROM replayed_records r
JOIN json_to_recordset(%s) AS asked (topic text, partition integer, "offset" bigint, at timestamptz)
    ON (r.topic, r.partition, r.record_offset) = (asked.topic, asked.partition, asked."offset")
    AND r.at >= least(asked.at, now()) - interval '5 minutes'
ORDER BY r.topic, r.partition, r.record_offset, r.replay_id IS NOT DISTINCT FROM %s DESC, r.number DESC"""  # noqa: S608 - our own column names

_UNFINISHED = f"SELECT job_id FROM jobs WHERE job_id = ANY(%s) AND state IN {UNFINISHED_STATES}"  # noqa: S608 - our own words

_RUNS = """
SELECT asked.job_id, greatest(
    (SELECT run FROM jobs j WHERE j.job_id = asked.job_id),
    (SELECT max(run) FROM replayed_records r WHERE r.job_id = asked.job_id)
) AS run FROM unnest(%s::uuid[]) AS asked (job_id)"""

_INTEND = """
INSERT INTO replayed_records (topic, partition, record_offset, number, action, replay_id, tenant, job_id, run, by, done_at)
SELECT %(topic)s, %(partition)s, %(record_offset)s, coalesce(max(number), 0) + 1, %(action)s, %(replay_id)s, %(tenant)s,
    %(job_id)s, %(run)s, %(by)s, CASE WHEN %(done)s THEN now() END
FROM replayed_records
WHERE (topic, partition, record_offset) = (%(topic)s::text, %(partition)s::integer, %(record_offset)s::bigint)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCommand:
    """An operator's command: its action, its id and its author.

    `force`: include dead letters that were handled before, and jobs of a replay that have not ended.
    """

    action: ReplayAction
    replay_id: UUID
    requested_by: str
    force: bool = False


async def latest(
    connection: Connection, written: Mapping[Origin, datetime], replay_id: UUID | None = None
) -> dict[Origin, ReplayEntry]:
    """The latest entry of each record, by its position and time; an entry of `replay_id` takes precedence."""
    rows = [{**asdict(place), "at": at.isoformat()} for place, at in written.items()]
    async with connection.cursor(row_factory=class_row(ReplayEntry)) as cursor:
        await cursor.execute(_LATEST, [Json(rows), replay_id])
        return {entry.place: entry for entry in await cursor.fetchall()}


async def record_intents(
    connection: Connection, command: ReplayCommand, requests: Sequence[ReplayRequest]
) -> tuple[dict[Origin, ReplayEntry], dict[Origin, ReplayRejection]]:
    """Log the intended actions; returns the entry of each record, and the reason for each rejected record.

    An unfinished entry of another command is returned as it is, unless that command is still running. A run is one more
    than any that the database, the audit log or the record knows.
    """
    job_ids = [request.job_id for request in requests if request.job_id is not None]
    await lock_all(connection, job_ids)
    # one decides at a time, for what is decided is which runs are free; after the jobs, as whoever erases one does
    await connection.execute("LOCK TABLE replayed_records IN SHARE ROW EXCLUSIVE MODE")
    before = await latest(connection, {request.place: request.at for request in requests}, command.replay_id)
    refused = {request.place: rejection for request, rejection in await _judged(connection, command, requests, before)}
    runs = await _known_runs(connection, job_ids)
    rows = []
    for request in requests:
        last = before.get(request.place)
        if request.place in refused or _is_open(last, command):
            continue
        run = _next_run(runs, request)
        if run is not None and run > LAST_RUN:
            refused[request.place] = ReplayRejection.NO_RUN
            continue
        rows.append(_row(command, request, run))
    async with connection.cursor() as cursor:
        await cursor.executemany(_INTEND, rows)
    accepted = {request.place: request.at for request in requests if request.place not in refused}
    entries = await latest(connection, accepted, command.replay_id)
    return entries, refused


async def rejections(
    connection: Connection, command: ReplayCommand, requests: Sequence[ReplayRequest]
) -> dict[Origin, ReplayRejection]:
    """The records that `record_intents` would reject now, each with the reason, for a dry run."""
    before = await latest(connection, {request.place: request.at for request in requests}, command.replay_id)
    return {request.place: rejection for request, rejection in await _judged(connection, command, requests, before)}


async def mark_sent(connection: Connection, entries: Sequence[ReplayEntry]) -> None:
    """Mark entries as done: the broker has confirmed the records."""
    await _each(connection, entries, "UPDATE replayed_records r SET done_at = now() FROM {said} WHERE {same}")


async def delete_intent(connection: Connection, entries: Sequence[ReplayEntry]) -> None:
    """Delete entries of records that the broker will never accept, since nothing was done."""
    await _each(connection, entries, "DELETE FROM replayed_records r USING {said} WHERE {same}")


@asynccontextmanager
async def command_lock(database: Database, replay_id: UUID) -> AsyncIterator[None]:
    """Context in which the command counts as running; ends with the process, however it ends."""
    async with database.session() as session:
        for lock in _AT_WORK:
            await session.execute(f"SELECT pg_advisory_lock({lock.key('%s')})", [str(replay_id)])
        yield


async def _judged(
    connection: Connection,
    command: ReplayCommand,
    requests: Sequence[ReplayRequest],
    before: Mapping[Origin, ReplayEntry],
) -> list[tuple[ReplayRequest, ReplayRejection]]:
    job_ids = [request.job_id for request in requests if request.job_id is not None]
    known = await job_versions(connection, job_ids)
    unfinished = await _unfinished(connection, command, job_ids)
    working = await _working(connection, command, before.values())
    found = []
    for request in requests:
        version = known.get(request.job_id) if request.job_id else None
        last = before.get(request.place)
        rejection = _of_job(command, request, version) or _of_record(command, last, working)
        if rejection is None and request.job_id in unfinished and not _is_open(last, command):
            rejection = ReplayRejection.UNFINISHED
        if rejection is not None:
            found.append((request, rejection))
    return found


def _of_job(
    command: ReplayCommand, request: ReplayRequest, version: Mapping[str, Any] | None
) -> ReplayRejection | None:
    if command.action is ReplayAction.DISCARD or version is None:
        return None
    if version["erased"]:
        return ReplayRejection.ERASED
    own = version["tenant"] in (None, sanitize_text(request.tenant))
    return None if own else ReplayRejection.FOREIGN


def _of_record(command: ReplayCommand, last: ReplayEntry | None, working: Set[UUID]) -> ReplayRejection | None:
    if last is None or last.replay_id == command.replay_id:
        return ReplayRejection.DONE if last is not None and last.done_at is not None else None
    if command.action is ReplayAction.REPLAY:  # each replay is a run of its own
        return None
    if last.done_at is None:
        return ReplayRejection.BUSY if last.replay_id in working else None
    return None if command.force else ReplayRejection.DONE


def _is_open(last: ReplayEntry | None, command: ReplayCommand) -> bool:
    """Whether an entry is unfinished and this command must complete it."""
    if last is None or last.done_at is not None:
        return False
    return command.action is ReplayAction.REDRIVE or last.replay_id == command.replay_id


async def _unfinished(connection: Connection, command: ReplayCommand, job_ids: Sequence[UUID]) -> set[UUID]:
    """Jobs that a replay would run twice at the same time."""
    if command.action is not ReplayAction.REPLAY or command.force:
        return set()
    return {row["job_id"] for row in await (await connection.execute(_UNFINISHED, [job_ids])).fetchall()}


async def _working(connection: Connection, command: ReplayCommand, last: Iterable[ReplayEntry]) -> set[UUID]:
    """Other unfinished commands whose process is alive, see `command_lock`."""
    open_ones = {entry.replay_id for entry in last if entry.done_at is None} - {command.replay_id}
    return {replay_id for replay_id in open_ones if not await _is_free(connection, replay_id)}


async def _is_free(connection: Connection, replay_id: UUID) -> bool:
    for lock in _AT_WORK:
        query = f"SELECT pg_try_advisory_xact_lock({lock.key('%s')}) AS free"
        row = await (await connection.execute(query, [str(replay_id)])).fetchone()
        if not (row and row["free"]):
            return False
    return True


async def _known_runs(connection: Connection, job_ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = await (await connection.execute(_RUNS, [job_ids])).fetchall()
    return {row["job_id"]: row["run"] or 0 for row in rows}


def _next_run(runs: dict[UUID, int], request: ReplayRequest) -> int | None:
    """The run that begins with a record, noted in `runs`; None when the record begins no run."""
    if request.run is None or request.job_id is None:
        return None
    runs[request.job_id] = max(runs.get(request.job_id, 0), request.run) + 1
    return runs[request.job_id]


def _row(command: ReplayCommand, request: ReplayRequest, run: int | None) -> dict[str, object]:
    return {
        "topic": request.place.topic,
        "partition": request.place.partition,
        "record_offset": request.place.offset,
        "action": command.action.value,
        "replay_id": command.replay_id,
        "tenant": sanitize_text(request.tenant),
        "job_id": request.job_id,
        "run": run,
        "by": command.requested_by,
        "done": command.action is ReplayAction.DISCARD,
    }


async def _each(connection: Connection, entries: Sequence[ReplayEntry], query: str) -> None:
    said = 'json_to_recordset(%s) AS said (topic text, partition integer, "offset" bigint, number integer)'
    same = (
        '(r.topic, r.partition, r.record_offset, r.number) = (said.topic, said.partition, said."offset", said.number)'
    )
    rows = [{**asdict(entry.place), "number": entry.number} for entry in entries]
    await connection.execute(query.format(said=said, same=same), [Json(rows)])
