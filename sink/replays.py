"""What operators sent again: each record is written down with the run that it begins, before it is sent and after.

An intent without its end tells that a command died in between. Whoever finds it sends the same run again, which is the
same event, so nothing is done twice.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Json

from schemas.headers import Origin
from sink.job_lock import lock_all
from sink.postgres import Connection, Database
from sink.runs import standings
from sink.storable import storable_text


class Action(StrEnum):
    """What was done with a record."""

    REDRIVE = "redrive"
    DISCARD = "discard"
    REPLAY = "replay"


LAST_RUN = 2**31 - 1  # as the events and the table have it


class Refusal(StrEnum):
    """Why a record is not sent again."""

    DONE = "done before"
    ERASED = "the job was erased, or its time is over"
    FOREIGN = "the job id belongs to another tenant"
    BUSY = "another command is at it"
    NO_ORIGIN = "its headers do not tell where it came from"
    VALUE_GONE = "its value was too large for a dead letter, and its origin is over"
    INVALID = "its request is not valid, with the changes that were asked for"
    RECORDING_GONE = "its recording is over"
    NO_RUN = "there is no run after its last one"
    TOO_LARGE = "the broker refuses the record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A record that is to be sent again; with `run`, that of the event in it, as the next run of its job."""

    place: Origin
    tenant: str = ""
    job_id: UUID | None = None
    run: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the audit; `done_at` is None while nobody knows whether it was done."""

    topic: str
    partition: int
    record_offset: int
    number: int
    action: Action
    replay_id: UUID
    tenant: str
    job_id: UUID | None
    run: int | None
    by: str
    at: datetime
    done_at: datetime | None

    @property
    def place(self) -> Origin:
        """Where the record lies."""
        return Origin(self.topic, self.partition, self.record_offset)


_COLUMNS = ", ".join(f"r.{name}" for name in Entry.__dataclass_fields__)
_LATEST = f"""
SELECT DISTINCT ON (r.topic, r.partition, r.record_offset) {_COLUMNS}
FROM replayed_records r JOIN json_to_recordset(%s) AS asked (topic text, partition integer, "offset" bigint)
    ON (r.topic, r.partition, r.record_offset) = (asked.topic, asked.partition, asked."offset")
ORDER BY r.topic, r.partition, r.record_offset, r.number DESC"""  # noqa: S608 - our own column names

_RUNS = """
SELECT asked.job_id, greatest(
    (SELECT run FROM jobs j WHERE j.job_id = asked.job_id),
    (SELECT max(run) FROM replayed_records r WHERE r.job_id = asked.job_id)
) AS run FROM unnest(%s::uuid[]) AS asked (job_id)"""

_INTEND = """
INSERT INTO replayed_records AS r (topic, partition, record_offset, number, action, replay_id, tenant, job_id, run, by, done_at)
VALUES (%(topic)s, %(partition)s, %(record_offset)s, %(number)s, %(action)s, %(replay_id)s, %(tenant)s, %(job_id)s, %(run)s,
    %(by)s, CASE WHEN %(done)s THEN now() END)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of an operator: which action under which id, by whom; `again`: also what was done before."""

    action: Action
    replay_id: UUID
    by: str
    again: bool = False


async def latest(connection: Connection, places: Sequence[Origin]) -> dict[Origin, Entry]:
    """The last line about each record that has one."""
    async with connection.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(_LATEST, [Json([asdict(place) for place in places])])
        return {entry.place: entry for entry in await cursor.fetchall()}


async def intend(
    connection: Connection, command: Command, wishes: Sequence[Wish]
) -> tuple[dict[Origin, Entry], dict[Origin, Refusal]]:
    """Write down what is going to be done; the line by record, and why each other record is refused.

    A line that somebody left without its end is handed out again as it stands, unless its command still works.
    A run is one more than any that the database, the audit or the record knows.
    """
    job_ids = [wish.job_id for wish in wishes if wish.job_id is not None]
    await lock_all(connection, job_ids)
    # one decides at a time, for what is decided is which runs are free; after the jobs, as whoever erases one does
    await connection.execute("LOCK TABLE replayed_records IN SHARE ROW EXCLUSIVE MODE")
    before = await latest(connection, [wish.place for wish in wishes])
    refused = {wish.place: refusal for wish, refusal in await _judged(connection, command, wishes, before)}
    runs = await _known_runs(connection, job_ids)
    rows = []
    for wish in wishes:
        last = before.get(wish.place)
        if wish.place in refused or _is_open(last, command):
            continue
        run = _next_run(runs, wish)
        if run is not None and run > LAST_RUN:
            refused[wish.place] = Refusal.NO_RUN
            continue
        rows.append(_row(command, wish, run, last.number + 1 if last else 1))
    async with connection.cursor() as cursor:
        await cursor.executemany(_INTEND, rows)
    entries = await latest(connection, [wish.place for wish in wishes if wish.place not in refused])
    return entries, refused


async def refusals(connection: Connection, command: Command, wishes: Sequence[Wish]) -> dict[Origin, Refusal]:
    """Which records `intend` would refuse at this moment, for whoever only looks."""
    before = await latest(connection, [wish.place for wish in wishes])
    return {wish.place: refusal for wish, refusal in await _judged(connection, command, wishes, before)}


async def done(connection: Connection, entries: Sequence[Entry]) -> None:
    """The broker has confirmed the records."""
    await _each(connection, entries, "UPDATE replayed_records r SET done_at = now() FROM {said} WHERE {same}")


async def forsake(connection: Connection, entries: Sequence[Entry]) -> None:
    """The broker will never take the records, so nothing was done."""
    await _each(connection, entries, "DELETE FROM replayed_records r USING {said} WHERE {same}")


@asynccontextmanager
async def at_work(database: Database, replay_id: UUID) -> AsyncIterator[None]:
    """While inside, everybody sees that the command works; that ends with the process, however it ends."""
    async with database.session() as session:
        await session.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [str(replay_id)])
        yield


async def _judged(
    connection: Connection, command: Command, wishes: Sequence[Wish], before: Mapping[Origin, Entry]
) -> list[tuple[Wish, Refusal]]:
    known = await standings(connection, [wish.job_id for wish in wishes if wish.job_id is not None])
    found = []
    for wish in wishes:
        standing = known.get(wish.job_id) if wish.job_id else None
        if (refusal := await _refusal(connection, command, wish, before.get(wish.place), standing)) is not None:
            found.append((wish, refusal))
    return found


async def _refusal(
    connection: Connection, command: Command, wish: Wish, last: Entry | None, standing: Mapping[str, Any] | None
) -> Refusal | None:
    if command.action is not Action.DISCARD and standing is not None:
        if standing["erased"]:
            return Refusal.ERASED
        if standing["tenant"] is not None and standing["tenant"] != storable_text(wish.tenant):
            return Refusal.FOREIGN
    if last is None or last.replay_id == command.replay_id:
        return Refusal.DONE if last is not None and last.done_at is not None else None
    if command.action is Action.REPLAY:  # each replay is a run of its own
        return None
    if last.done_at is None:
        return Refusal.BUSY if await _works(connection, last.replay_id) else None
    return None if command.again else Refusal.DONE


def _is_open(last: Entry | None, command: Command) -> bool:
    """Whether an intent waits for its end, which the command is to bring about."""
    if last is None or last.done_at is not None:
        return False
    return command.action is Action.REDRIVE or last.replay_id == command.replay_id


async def _works(connection: Connection, replay_id: UUID) -> bool:
    cursor = await connection.execute(
        "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0)) AS free", [str(replay_id)]
    )
    row = await cursor.fetchone()
    return not (row and row["free"])


async def _known_runs(connection: Connection, job_ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = await (await connection.execute(_RUNS, [job_ids])).fetchall()
    return {row["job_id"]: row["run"] or 0 for row in rows}


def _next_run(runs: dict[UUID, int], wish: Wish) -> int | None:
    """The run that begins with a record, noted in `runs`; None when none does."""
    if wish.run is None or wish.job_id is None:
        return None
    runs[wish.job_id] = max(runs.get(wish.job_id, 0), wish.run) + 1
    return runs[wish.job_id]


def _row(command: Command, wish: Wish, run: int | None, number: int) -> dict[str, object]:
    return {
        "topic": wish.place.topic,
        "partition": wish.place.partition,
        "record_offset": wish.place.offset,
        "number": number,
        "action": command.action.value,
        "replay_id": command.replay_id,
        "tenant": storable_text(wish.tenant),
        "job_id": wish.job_id,
        "run": run,
        "by": command.by,
        "done": command.action is Action.DISCARD,
    }


async def _each(connection: Connection, entries: Sequence[Entry], query: str) -> None:
    said = 'json_to_recordset(%s) AS said (topic text, partition integer, "offset" bigint, number integer)'
    same = (
        '(r.topic, r.partition, r.record_offset, r.number) = (said.topic, said.partition, said."offset", said.number)'
    )
    rows = [{**asdict(entry.place), "number": entry.number} for entry in entries]
    await connection.execute(query.format(said=said, same=same), [Json(rows)])
