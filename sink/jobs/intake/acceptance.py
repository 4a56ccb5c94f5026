"""Acceptance of jobs: each with its first history entry and its outbox row, or nothing; those that come together share a commit."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from schemas.events import JobRequested
from schemas.wire.records import Record
from schemas.wire.serde import to_json
from sink.jobs.queries import COLUMNS_OF_CALL, JobRow, job_of_call
from sink.postgres.database import Conflict, Database

COMMITS = 2  # at a time: while one waits for the disk, the next one gathers
MOST_JOBS = 32  # in one commit


class Acceptance(StrEnum):
    """The result of submitting a job; only an accepted one changed anything."""

    ACCEPTED = "accepted"
    KNOWN = "known"  # the id is taken, or was erased
    FULL = "full"  # as many jobs of the tenant wait as may
    STALE = "stale"  # another policy of the tenant is in force


# values of a job in the order of both functions, each with its type
_TYPES = {
    "job_id": "uuid",
    "tenant": "text",
    "recording_id": "text",
    "run": "integer",
    "request": "jsonb",
    "fingerprint": "bytea",
    "requested_at": "timestamptz",
    "topic": "text",
    "key": "bytea",
    "value": "bytea",
    "headers": "jsonb",
}
_ONE = f"""
SELECT answer.acceptance, {COLUMNS_OF_CALL}
FROM scribe_accept_job({", ".join(f"%({name})s" for name in _TYPES)}, %(most_waiting)s, %(policy_at)s) AS answer"""  # noqa: S608 - our own column names
_TOGETHER = f"""
SELECT answer.acceptance, {COLUMNS_OF_CALL}
FROM scribe_accept_jobs({", ".join(f"%({name})s::{kind}[]" for name, kind in _TYPES.items())}, %(policy_at)s::timestamptz[]) AS answer"""  # noqa: S608 - our own column names
_TOGETHER_VALUES = (*_TYPES, "policy_at")


async def accept(
    database: Database,
    request: JobRequested,
    fingerprint: bytes,
    record: Record,
    *,
    most_waiting: int | None = None,
    policy_at: datetime | None = None,
) -> tuple[Acceptance, JobRow | None]:
    """Commit a queued job, its first history entry and its outbox row, or nothing; returns also the job of that id.

    The job is rejected when more than `most_waiting` jobs of the tenant would be queued, or when the tenant's policy is
    not that of `policy_at`; None disables a check. Raises Outage.
    """
    return _answer(await _alone(database, _values(request, fingerprint, record, most_waiting, policy_at)))


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A job that waits for a commit."""

    values: Mapping[str, Any]
    answer: asyncio.Future[DictRow]

    def settle(self, row: DictRow) -> None:
        """Give the answer, unless whoever asked is gone."""
        if not self.answer.done():
            self.answer.set_result(row)

    def fail(self, error: Exception) -> None:
        """Give an error instead."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(slots=True)
class SharedCommits:
    """Accepts the jobs of one process: those that come while others are being committed share the next transaction."""

    _waiting: deque[_Waiting] = field(default_factory=deque)
    _committing: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def accept(
        self,
        database: Database,
        request: JobRequested,
        fingerprint: bytes,
        record: Record,
        *,
        most_waiting: int | None = None,
        policy_at: datetime | None = None,
    ) -> tuple[Acceptance, JobRow | None]:
        """Accept a job as `accept` does; one whose tenant's jobs are counted goes alone."""
        values = _values(request, fingerprint, record, most_waiting, policy_at)
        if most_waiting is not None:
            return _answer(await _alone(database, values))
        waiting = _Waiting(values, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._committing < COMMITS:
            self._committing += 1
            _start(self._tasks, self._commit(database))
        return _answer(await waiting.answer)

    async def _commit(self, database: Database) -> None:
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_JOBS))]
                await self._settle(database, group)
        finally:
            # in the step that found nobody waiting: whoever comes next must not count on this one
            self._committing -= 1

    async def _settle(self, database: Database, group: Sequence[_Waiting]) -> None:
        values = {name: [each.values[name] for each in group] for name in _TOGETHER_VALUES}
        try:
            rows = await database.call_all(_TOGETHER, values, writing=True)
        # one of them is not to be had, or has a value that PostgreSQL refuses: the others do not wait, nor fail with it
        except (Conflict, psycopg.Error):
            for each in group:
                _start(self._tasks, _settle_alone(database, each))
        except Exception as error:  # noqa: BLE001 - each of those who wait is told
            for each in group:
                each.fail(error)
        else:
            for each, row in zip(group, rows, strict=True):
                each.settle(row)


async def _settle_alone(database: Database, waiting: _Waiting) -> None:
    try:
        waiting.settle(await _alone(database, waiting.values))
    except Exception as error:  # noqa: BLE001 - it belongs to the one who waits
        waiting.fail(error)


async def _alone(database: Database, values: Mapping[str, Any]) -> DictRow:
    row = await database.call(_ONE, values, writing=True)
    assert row is not None, "a call has one row"  # noqa: S101 - for the type checker
    return row


def _start(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    """Start a task that is kept until its end; its logs are not those of whoever started it."""
    task = asyncio.create_task(work, context=contextvars.Context())
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _values(
    request: JobRequested, fingerprint: bytes, record: Record, most_waiting: int | None, policy_at: datetime | None
) -> dict[str, Any]:
    return {
        "job_id": request.job_id,
        "tenant": request.tenant,
        "recording_id": request.recording_id,
        "run": request.run,
        "request": Jsonb(to_json(request.without_query())),
        "fingerprint": fingerprint,
        "requested_at": request.requested_at,
        "topic": record.topic,
        "key": record.key,
        "value": record.value,
        "headers": Jsonb(record.headers),
        "most_waiting": most_waiting,
        "policy_at": policy_at,
    }


def _answer(row: DictRow) -> tuple[Acceptance, JobRow | None]:
    return Acceptance(row.pop("acceptance")), job_of_call(row)
