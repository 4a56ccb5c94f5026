"""Marks of records that crashed a process or that an operator skips, stored for the Faust apps.

A partition has an owner while a process works on it. An owner that releases it cleanly records that; a process that
finds another owner's entry knows of a crash, and runs the records that the other may have had in progress exclusively,
each with a mark before.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from schemas.wire.headers import Origin
from sink.postgres.database import Connection, Database

WINDOW = 256  # records behind the committed offset that a process may have had in work, at the first death
GROWTH = 4  # with each further death, for what killed may have been farther ahead
MOST_GROWTH = 8
SYNC_SECONDS = 5


@dataclass(frozen=True, slots=True)
class RecordMark:
    """The mark of a record: for a suspect, the number of crashes; `settled`: its dead letter was written."""

    deaths: int
    digest: bytes
    settled: bool = False


@dataclass(frozen=True, slots=True)
class ClaimedRecord:
    """The marks found on taking a partition, and the offset below which all records are suspects."""

    suspected_below: int = 0
    marks: Mapping[int, RecordMark] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SettledRecord:
    """A record whose dead letter is written; offsets of its partition `below` the given one are committed."""

    place: Origin
    mark: RecordMark
    below: int | None = None
    unproven: bool = False


def suspicion(deaths: int, base: int, offset: int, *, died: bool) -> tuple[int, int]:
    """Crashes in a row, and the offset after which suspects are counted, for an owner that starts at `offset`.

    `deaths` and `base` are the former values. Suspects stay suspects until the group has committed beyond them.
    """
    within = offset < base + window(deaths)
    if died:
        return (deaths + 1 if within else 1), offset
    return (deaths, base) if within else (0, offset)


def window(deaths: int) -> int:
    """The number of records after the committed offset that are suspects after so many crashes in a row."""
    return 0 if deaths <= 0 else int(WINDOW * GROWTH ** min(deaths - 1, MOST_GROWTH))


_PLACE = "(group_id, topic, partition) = (%(group_id)s, %(topic)s, %(partition)s)"
_RECORD = f"{_PLACE} AND record_offset = %(offset)s"
_OWNER = f"SELECT owner, base, deaths FROM partition_owners WHERE {_PLACE} FOR UPDATE"  # noqa: S608 - our own names
_TAKE = """
INSERT INTO partition_owners (group_id, topic, partition, owner, base, deaths)
VALUES (%(group_id)s, %(topic)s, %(partition)s, %(owner)s, %(base)s, %(deaths)s)
ON CONFLICT (group_id, topic, partition) DO UPDATE
SET owner = EXCLUDED.owner, base = EXCLUDED.base, deaths = EXCLUDED.deaths, since = now()"""
_COUNT = f"""
UPDATE record_marks SET state = 'suspect', owner = '', deaths = deaths + %(died)s
WHERE {_PLACE} AND state = 'alone' AND owner <> %(owner)s"""  # noqa: S608 - our own names
_FORGET = f"""
DELETE FROM record_marks WHERE {_PLACE} AND record_offset < %(offset)s AND NOT unproven"""  # noqa: S608 - our own names
_MARKS = f"""
SELECT record_offset, deaths, digest, state = 'settled' AS settled FROM record_marks WHERE {_PLACE}"""  # noqa: S608 - our own names
_REPLACED = """
ON CONFLICT (group_id, topic, partition, record_offset) DO UPDATE
SET state = EXCLUDED.state, owner = EXCLUDED.owner, digest = EXCLUDED.digest, unproven = EXCLUDED.unproven, at = now(),
    deaths = EXCLUDED.deaths"""
_MARK = f"""
INSERT INTO record_marks (group_id, topic, partition, record_offset, state, owner, deaths, digest, unproven)
VALUES (%(group_id)s, %(topic)s, %(partition)s, %(offset)s, %(state)s, %(owner)s, %(deaths)s, %(digest)s, %(unproven)s){_REPLACED}"""  # noqa: S608 - our own names
_SETTLE = f"""
INSERT INTO record_marks (group_id, topic, partition, record_offset, deaths, digest, unproven, state)
SELECT %(group_id)s, told.*, 'settled' FROM unnest(
    %(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[], %(deaths)s::integer[], %(digests)s::bytea[],
    %(unproven)s::boolean[]
) AS told{_REPLACED}"""  # noqa: S608 - our own names
_GIVE_BACK = "UPDATE partition_owners SET owner = '' WHERE group_id = %(group_id)s AND owner = %(owner)s"
_REST = """
UPDATE record_marks SET state = 'suspect', owner = ''
WHERE group_id = %(group_id)s AND owner = %(owner)s AND state = 'alone'"""
_UNPROVEN = "SELECT EXISTS (SELECT FROM record_marks WHERE group_id = %s AND unproven) AS found"
_PROVEN = "UPDATE record_marks SET unproven = false WHERE group_id = %s AND unproven"
_SKIPS = """
SELECT topic, partition, record_offset, by FROM skipped_records WHERE group_id = %s AND done_at IS NULL"""
_SKIPPED = f"UPDATE skipped_records SET done_at = now() WHERE {_RECORD} AND done_at IS NULL"  # noqa: S608 - our own names


class RecordMarks:
    """The marks of one group as one process writes them; `owner` identifies the process. Methods raise Outage."""

    def __init__(self, database: Database, group: str, owner: str) -> None:
        self._database = database
        self._group = group
        self._owner = owner

    async def claim(self, place: Origin) -> ClaimedRecord:
        """Take a partition, given its first uncommitted record, and return the marks that are known of it."""
        values = self._values(place)

        async def work(connection: Connection) -> ClaimedRecord:
            before = await (await connection.execute(_OWNER, values)).fetchone()
            died = before is not None and before["owner"] not in ("", self._owner)
            deaths, base = (before["deaths"], before["base"]) if before else (0, place.offset)
            deaths, base = suspicion(deaths, base, place.offset, died=died)
            await connection.execute(_TAKE, {**values, "deaths": deaths, "base": base})
            await connection.execute(_COUNT, {**values, "died": int(died)})
            await connection.execute(_FORGET, values)
            found = await (await connection.execute(_MARKS, values)).fetchall()
            marks = {r["record_offset"]: RecordMark(r["deaths"], r["digest"], r["settled"]) for r in found}
            return ClaimedRecord(base + window(deaths), marks)

        return await self._database.run(work)

    async def give_back(self, topics: Collection[tuple[str, int]] | None = None) -> None:
        """Release all or these partitions cleanly: no record in progress caused a crash."""
        values: dict[str, Any] = {"group_id": self._group, "owner": self._owner}
        only = ""
        if topics is not None:
            values |= {"topics": [t for t, _ in topics], "partitions": [p for _, p in topics]}
            only = " AND (topic, partition) IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::integer[]))"

        async def work(connection: Connection) -> None:
            await connection.execute(_GIVE_BACK + only, values)
            await connection.execute(_REST + only, values)

        await self._database.run(work)

    async def begin(self, place: Origin, mark: RecordMark) -> None:
        """Note that a suspect is about to run exclusively."""
        await self._mark(place, "alone", mark, owner=self._owner)

    async def rest(self, place: Origin, mark: RecordMark) -> None:
        """Note that a suspect did not run to its end; without a crash, or with one that `mark` counts."""
        await self._mark(place, "suspect", mark)

    async def settle(
        self, place: Origin, mark: RecordMark, *, unproven: bool = False, below: int | None = None
    ) -> None:
        """Note that the dead letter of a record is written and handled; offsets `below` the given one are committed."""
        await self.settle_all([SettledRecord(place, mark, below, unproven)])

    async def settle_all(self, ends: Sequence[SettledRecord]) -> None:
        """Note the written dead letters of distinct records, all in one transaction."""
        columns = {
            "group_id": self._group,
            "topics": [end.place.topic for end in ends],
            "partitions": [end.place.partition for end in ends],
            "offsets": [end.place.offset for end in ends],
            "deaths": [end.mark.deaths for end in ends],
            "digests": [end.mark.digest for end in ends],
            "unproven": [end.unproven for end in ends],
        }

        async def work(connection: Connection) -> None:
            for committed in _committed(ends):
                await connection.execute(_FORGET, self._values(committed))
            await connection.execute(_SETTLE, columns)

        await self._database.run(work)

    async def end(self, place: Origin) -> None:
        """Note that a record ended well."""
        query = f"DELETE FROM record_marks WHERE {_RECORD}"  # noqa: S608 - our own names
        await self._database.run(lambda connection: connection.execute(query, self._values(place)))

    async def unproven(self) -> bool:
        """Whether a record was set aside for crashes, and none has ended well since then."""
        async with self._database.connection() as connection:
            row = await (await connection.execute(_UNPROVEN, [self._group])).fetchone()
        return bool(row and row["found"])

    async def prove(self) -> None:
        """Note that a record has ended well since the last one was set aside."""
        await self._database.run(lambda connection: connection.execute(_PROVEN, [self._group]))

    async def skips(self) -> dict[Origin, str]:
        """The records that the group must skip, and the operator of each order."""
        async with self._database.connection() as connection:
            rows = await (await connection.execute(_SKIPS, [self._group])).fetchall()
        return {Origin(row["topic"], row["partition"], row["record_offset"]): row["by"] for row in rows}

    async def skipped(self, place: Origin) -> None:
        """Note that a record was skipped."""
        await self._database.run(lambda connection: connection.execute(_SKIPPED, self._values(place)))

    def last_words(self, blamed: Sequence[tuple[Origin, RecordMark]]) -> None:
        """Store the record at fault, from a thread of a process about to end itself; all other records are clean.

        Raises psycopg's errors, and takes no longer than some seconds.
        """
        own = {"group_id": self._group, "owner": self._owner}
        with psycopg.connect(self._database.dsn, connect_timeout=SYNC_SECONDS) as connection:
            connection.execute(f"SET statement_timeout = '{SYNC_SECONDS}s'".encode())
            connection.execute(_GIVE_BACK.encode(), own)
            connection.execute(_REST.encode(), own)
            for place, mark in blamed:
                connection.execute(_MARK.encode(), self._row(place, "suspect", mark))

    async def _mark(self, place: Origin, state: str, mark: RecordMark, *, owner: str = "") -> None:
        values = self._row(place, state, mark) | {"owner": owner}
        await self._database.run(lambda connection: connection.execute(_MARK, values))

    def _row(self, place: Origin, state: str, mark: RecordMark) -> dict[str, Any]:
        columns = {"state": state, "deaths": mark.deaths, "digest": mark.digest}
        return {**self._values(place), **columns, "owner": "", "unproven": False}

    def _values(self, place: Origin) -> dict[str, Any]:
        return {"group_id": self._group, "owner": self._owner, **asdict(place)}


def _committed(ends: Sequence[SettledRecord]) -> list[Origin]:
    """The first uncommitted offset of each partition, where that is known."""
    found: dict[tuple[str, int], int] = {}
    for end in ends:
        tp = (end.place.topic, end.place.partition)
        if end.below is not None:
            found[tp] = max(end.below, found.get(tp, 0))
    return [Origin(*tp, below) for tp, below in found.items()]
