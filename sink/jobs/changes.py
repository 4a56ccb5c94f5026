"""Changes of jobs in the order of their commits, for whoever follows them: nothing is left out and nothing comes twice.

A position is a snapshot of the database (`pg_snapshot`): what it sees was told. Numbers would not do, since a line may be
committed after one with a higher number. Of one job the lines are written one transaction after the other, so whoever
sees a line sees those before it.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas.errors import Rejected
from sink.postgres.database import Connection, Database

_SNAPSHOT = re.compile(r"(\d{1,19}):(\d{1,19}):(\d{1,19}(?:,\d{1,19})*)?", re.ASCII)
_LARGEST_XID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ChangePosition:
    """The lines that a follower was told: all that `before` sees, and of what `after` sees too the lines up to `last`."""

    before: str
    after: str
    last: int

    @classmethod
    def at(cls, snapshot: str) -> "ChangePosition":
        """The position of a follower that was told all that a snapshot sees."""
        return cls(snapshot, snapshot, 0)

    @classmethod
    def parse(cls, text: str) -> "ChangePosition":
        """The position that `str` wrote; raises ValueError."""
        before, after, last = parts if len(parts := text.split("/")) == 3 else (text, text, "0")
        if not (is_snapshot(before) and is_snapshot(after) and last.isdecimal() and int(last) <= _LARGEST_XID):
            raise ValueError("is no position of this service")
        return cls(before, after, int(last))

    def __str__(self) -> str:
        """The text of this position, for clients to hand back."""
        return self.before if self.before == self.after else f"{self.before}/{self.after}/{self.last}"


BEGINNING = ChangePosition.at("1:1:")
"""The position of a follower that was told nothing."""


@dataclass(frozen=True, slots=True)
class JobChange:
    """A line of a job's history: a state that it came into, or something else that happened to it."""

    id: int
    job_id: UUID
    tenant: str
    run: int
    state: str
    detail: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class RunningJob:
    """The progress of a job that is being worked on, in seconds of audio."""

    job_id: UUID
    tenant: str
    run: int
    done_seconds: float
    total_seconds: float | None


_LINE = "e.id, e.job_id, j.tenant, e.run, e.state, e.detail, e.at"
_NEW = f"""
SELECT pg_current_snapshot()::text AS position, (
    SELECT json_agg(line ORDER BY line.id) FROM (
        SELECT {_LINE} FROM job_events e JOIN jobs j USING (job_id)
        WHERE e.xid >= pg_snapshot_xmin(%(after)s::pg_snapshot) AND e.xid < pg_snapshot_xmax(pg_current_snapshot()) AND NOT pg_visible_in_snapshot(e.xid, %(after)s::pg_snapshot)
            AND j.tenant = ANY(%(tenants)s)
    ) AS line
) AS lines"""  # noqa: S608 - our own column names
# lines that were written before they said by which transaction count as its first
_BETWEEN = f"""
SELECT {_LINE} FROM job_events e JOIN jobs j USING (job_id)
WHERE j.tenant = %(tenant)s AND e.id > %(last)s AND pg_visible_in_snapshot({{xid}}, %(after)s::pg_snapshot)
    AND NOT pg_visible_in_snapshot({{xid}}, %(before)s::pg_snapshot) AND {{where}}
ORDER BY e.id LIMIT %(most)s"""  # noqa: S608 - our own column names
_OF_JOB = _BETWEEN.format(xid="COALESCE(e.xid, '2')", where="e.job_id = %(job_id)s")
_OF_TENANT = _BETWEEN.format(xid="e.xid", where="e.xid >= pg_snapshot_xmin(%(before)s::pg_snapshot)")
_RUNNING = """
SELECT json_agg(running) AS running FROM (
    SELECT job_id, tenant, run, done_seconds, total_seconds FROM jobs
    WHERE completed_at IS NULL AND done_seconds IS NOT NULL AND state <> 'queued' AND tenant = ANY(%(tenants)s)
) AS running"""


def is_snapshot(text: str) -> bool:
    """Whether a text is a snapshot that PostgreSQL takes: limits in order, and between them, rising, what was in progress."""
    if (found := _SNAPSHOT.fullmatch(text)) is None:
        return False
    first, end, open_ = int(found[1]), int(found[2]), [int(xid) for xid in (found[3] or "").split(",") if xid]
    return 0 < first <= end <= _LARGEST_XID and open_ == sorted({xid for xid in open_ if first <= xid < end})


def _limit(snapshot: str) -> int:
    """The number behind the last transaction that a snapshot may see; PostgreSQL only counts up."""
    return int(snapshot.split(":")[1])


_FORGET = "UPDATE job_events SET xid = NULL WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())"


async def forget_foreign_transactions(database: Database) -> None:
    """Forget transactions that this server has not had, as of lines that were restored from a dump of another one.

    It counts its own anew, and the lines would be told as new when it comes to their numbers.
    """
    async with database.transaction() as connection:
        await connection.execute(_FORGET)


async def position_now(database: Database) -> str:
    """The snapshot that sees all that is committed."""
    row = await database.call("SELECT pg_current_snapshot()::text AS position", {})
    assert row is not None, "a call has one row"  # noqa: S101 - for the type checker
    return str(row["position"])


async def changes_after(database: Database, position: str, tenants: Collection[str]) -> tuple[str, list[JobChange]]:
    """The snapshot of now, and what it sees of some tenants' jobs that `position` does not, in the order of each job."""
    row = await database.call(_NEW, {"after": position, "tenants": list(tenants)})
    assert row is not None, "a call has one row"  # noqa: S101 - for the type checker
    lines = [
        JobChange(**{**line, "job_id": UUID(line["job_id"]), "at": datetime.fromisoformat(line["at"])})
        for line in row["lines"] or ()
    ]
    return str(row["position"]), lines


async def missed_changes(
    connection: Connection, tenant: str, position: ChangePosition, until: str, job_id: UUID | None, most: int
) -> list[tuple[ChangePosition, JobChange]]:
    """Changes of a tenant's jobs, or of one of them, that `until` sees and a follower was not told, in their order.

    Each comes with the position of a follower that has it. About `most` at the most. Raises Rejected for a position that
    this database never had.
    """
    if not _limit(position.before) <= _limit(position.after) <= _limit(until):
        raise Rejected("invalid_request", "Last-Event-ID is of another database")
    found: list[tuple[ChangePosition, JobChange]] = []
    for before, after, last in ((position.before, position.after, position.last), (position.after, until, 0)):
        if before != after and len(found) < most:
            values = {"tenant": tenant, "job_id": job_id, "before": before, "after": after, "last": last, "most": most}
            cursor = await connection.execute(_OF_TENANT if job_id is None else _OF_JOB, values)
            changes = [JobChange(**row) for row in await cursor.fetchall()]
            found += [(ChangePosition(before, after, change.id), change) for change in changes]
    return found


async def running_jobs(database: Database, tenants: Collection[str]) -> list[RunningJob]:
    """The jobs of some tenants that are being worked on and have said how far they are."""
    row = await database.call(_RUNNING, {"tenants": list(tenants)})
    found = (row or {}).get("running") or ()
    return [RunningJob(**{**job, "job_id": UUID(job["job_id"])}) for job in found]
