"""Lists of a tenant's jobs, the newest first, paged and filtered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from psycopg.types.json import Jsonb

from schemas.vocabulary.job_states import JOB_STATES
from sink.jobs.queries import JOB_COLUMNS, JobRow
from sink.postgres.database import Connection
from sink.postgres.sanitize import sanitize_for_postgres

Place = tuple[datetime, UUID]
"""Time of the request and id of a job, by which lists are ordered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Filter over a tenant's jobs; fields that are None or empty do not restrict it.

    `model` and `language`: the requested or the actual one. `name`: a part of its file's name, or of its address.
    `ids`: the lowest and the highest. `before`: the position of the last job of the page before.
    """

    tenant: str
    states: frozenset[str] = frozenset()
    recording_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None
    language: str | None = None
    priority: str | None = None
    name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    ids: tuple[UUID, UUID] | None = None
    before: Place | None = None

    @property
    def walks(self) -> bool:
        """Whether jobs must be examined one by one, however few match, because no index supports the filter."""
        return bool(self.model or self.language or self.priority or self.name or self.metadata)


_ORDER = "ORDER BY requested_at DESC, job_id DESC LIMIT %(limit)s"
_CONDITIONS = {
    "recording_id": "recording_id = %(recording_id)s",
    "since": "requested_at >= %(since)s",
    "until": "requested_at < %(until)s",
    "before": "(requested_at, job_id) < (%(before_at)s, %(before_id)s)",
    "model": "(request -> 'options' ->> 'model' = %(model)s OR models @> %(models)s)",
    "language": "COALESCE(language, request -> 'options' ->> 'language') = %(language)s",
    "priority": "request ->> 'priority' = %(priority)s",
    "name": """(strpos(lower(request -> 'source' ->> 'name'), lower(%(name)s)) > 0
        OR request -> 'source' ->> 'uri' NOT LIKE 'upload:%%' AND (
            strpos(lower(request -> 'source' ->> 'uri'), lower(%(name)s)) > 0
            OR strpos(lower(request -> 'source' ->> 'uri'), lower(%(quoted)s)) > 0))""",
    "metadata": "request -> 'metadata' @> %(metadata)s",
}


async def list_jobs(connection: Connection, wanted: JobFilter, limit: int) -> list[JobRow]:
    """List up to `limit` jobs, the newest first, in a transaction of the tenant."""
    query, values = statement(wanted, limit)
    return [JobRow(**row) for row in await (await connection.execute(query.encode(), values)).fetchall()]


def statement(wanted: JobFilter, limit: int) -> tuple[str, dict[str, Any]]:
    """The query and its parameters; each state is a separate index scan, so that no scan filters by state."""
    conditions = ["tenant = %(tenant)s", *(sql for name, sql in _CONDITIONS.items() if getattr(wanted, name))]
    # what begins like an id is little: it is found first, whatever the planner makes of the limit
    few = "WITH jobs AS MATERIALIZED (SELECT * FROM jobs WHERE job_id BETWEEN %(first)s AND %(last)s) "
    # as literals, so that a plan kept by the session knows them
    states: list[str | None] = [state for state in JOB_STATES if state in wanted.states] or [None]
    walks = (_walk([*conditions, f"state = '{state}'"] if state else conditions) for state in states)
    query = f"{few if wanted.ids else ''}SELECT * FROM ({' UNION ALL '.join(walks)}) AS found {_ORDER}"  # noqa: S608 - our own words
    return query, _values(wanted, limit)


def _walk(conditions: list[str]) -> str:
    return f"(SELECT {JOB_COLUMNS} FROM jobs WHERE {' AND '.join(conditions)} {_ORDER})"  # noqa: S608 - our own words


def _values(wanted: JobFilter, limit: int) -> dict[str, Any]:
    texts = ("tenant", "recording_id", "model", "language", "priority", "name")
    named: dict[str, Any] = sanitize_for_postgres({name: getattr(wanted, name) for name in texts})
    return named | {
        "since": wanted.since,
        "until": wanted.until,
        "before_at": wanted.before and wanted.before[0],
        "before_id": wanted.before and wanted.before[1],
        "first": wanted.ids and wanted.ids[0],
        "last": wanted.ids and wanted.ids[1],
        "models": Jsonb([{"name": sanitize_for_postgres(wanted.model)}]),
        "metadata": Jsonb(sanitize_for_postgres(dict(wanted.metadata))),
        "quoted": quote(sanitize_for_postgres(wanted.name or "")),
        "limit": limit,
    }
