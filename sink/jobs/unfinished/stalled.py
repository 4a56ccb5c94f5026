"""Stalled jobs, whose state does not change: found by the database's clock, and failed when an operator orders it.

A running job reports its progress once a second, and waits at most for a retry or for the diarizers; a queued one may
wait as long as the backlog takes. So each state has a limit of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from schemas.errors import Permanent, Poison
from schemas.events import JobRequested
from schemas.settings.stores import StallSettings
from schemas.topics import RESULTS
from schemas.vocabulary.job_states import RUNNING, UNFINISHED, JobState
from schemas.wire.records import record_of
from schemas.wire.rejected_events import failed_result
from schemas.wire.serde import Serde, event_from_json
from sink.jobs import outbox
from sink.jobs.states import UNFINISHED_STATES
from sink.postgres.database import Connection
from sink.postgres.job_lock import lock_all

MOST_COUNTED = 10_000  # so many are many, and the rest is not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class StallLimits:
    """The longest time for which a job may stay in a state without a change."""

    running: timedelta
    queued: timedelta

    @classmethod
    def from_settings(cls, settings: StallSettings) -> "StallLimits":
        """The limits from the settings."""
        hours = (settings.stalled_running_hours, settings.stalled_queued_hours)
        running, queued = (timedelta(hours=each) for each in hours)
        return cls(running=running, queued=queued)


@dataclass(frozen=True, slots=True, kw_only=True)
class StalledJob:
    """A job without a change since `updated_at`."""

    job_id: UUID
    tenant: str
    run: int
    state: str
    attempt: int
    updated_at: datetime


# one probe of the index of unfinished jobs a state
_STALLED = f"""
SELECT job_id, tenant, run, state, attempt, updated_at FROM jobs
WHERE state IN {UNFINISHED_STATES} AND state = ANY(%(states)s) AND updated_at < now() - %(limit)s"""  # noqa: S608 - our own words
_COUNT = f"SELECT state, count(*) AS found FROM ({_STALLED} LIMIT %(most)s) AS stalled GROUP BY state"  # noqa: S608
_FIRST = f"{_STALLED} ORDER BY updated_at, job_id LIMIT %(most)s"


async def count_stalled(connection: Connection, limits: StallLimits) -> dict[str, int]:
    """The number of stalled jobs by state, counted up to MOST_COUNTED for queued ones and for running ones."""
    found = dict.fromkeys(map(str, UNFINISHED), 0)
    for values in _both(limits, MOST_COUNTED):
        rows = await (await connection.execute(_COUNT, values)).fetchall()
        found |= {row["state"]: row["found"] for row in rows}
    return found


async def find_stalled(connection: Connection, limits: StallLimits, most: int) -> list[StalledJob]:
    """The jobs that have been stalled for longest, running ones first."""
    found: list[StalledJob] = []
    for values in _both(limits, most):
        rows = await (await connection.execute(_FIRST, values)).fetchall()
        found += [StalledJob(**row) for row in rows]
    return found[:most]


async def fail_stalled(connection: Connection, serde: Serde, job_ids: Sequence[UUID], now: datetime) -> list[UUID]:
    """Publish failed results for unfinished jobs, to all readers of results; returns the ids of these jobs.

    A result that arrives later belongs to a job that has ended, and changes nothing.
    """
    await lock_all(connection, job_ids)
    query = "SELECT request FROM jobs WHERE job_id = ANY(%s) AND state = ANY(%s) ORDER BY job_id"
    rows = await (await connection.execute(query, [list(job_ids), list(UNFINISHED)])).fetchall()
    ended = []
    for row in rows:
        request = _request(row["request"])
        if request is not None:
            error = Permanent("internal", "no end of it was heard of")
            result = failed_result(request, error, now)
            await outbox.add(connection, record_of(serde, RESULTS, result, "scribe-stalled", now))
            ended.append(request.job_id)
    return ended


def _request(plain: dict[str, Any]) -> JobRequested | None:
    try:
        return event_from_json(plain, JobRequested)
    except Poison:  # an older version's
        return None


def _both(limits: StallLimits, most: int) -> tuple[dict[str, object], ...]:
    return tuple(
        {"states": list(states), "limit": limit, "most": most}
        for states, limit in ((RUNNING, limits.running), ((JobState.QUEUED,), limits.queued))
    )
