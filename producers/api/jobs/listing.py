"""The list of a tenant's jobs: by state, time, recording and more, the newest first, page by page."""

from collections import Counter
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, Field

from producers.api.jobs.views import JobSummary, summary
from producers.api.problems import problem_responses
from producers.api.requests.cursor import MAX_CHARS, from_cursor, list_of, page_of, to_cursor
from producers.api.requests.query import Number, Time, known_language
from producers.api.services import KeyDep, Services, ServicesDep
from producers.inputs.id_prefix import DIGITS, IdPrefix
from schemas.errors import Rejected
from schemas.events import Priority
from schemas.requests import limits as limits
from schemas.vocabulary.job_states import ENDED, JOB_STATES, JobState
from schemas.vocabulary.nearest import hint
from sink.jobs.listing import JobFilter, list_jobs
from sink.postgres.statement_timeout import limited

router = APIRouter(prefix="/api/v1", tags=["jobs"])
MAX_LISTED = 100
MAX_NOTES = 8
_QUOTED_CHARS = 64
_LONGEST_PREFIX = 2 * DIGITS  # with hyphens and whatever else stands around an id


class JobList(BaseModel):
    """A page of jobs without their history; transcripts lie behind their links."""

    jobs: list[JobSummary]
    next_cursor: str | None = Field(
        description="Hand it back with the same filters for the next page; null at the end."
    )


def _states(given: list[str]) -> list[str]:
    states = [state.strip() for item in given for state in item.split(",")]
    if unknown := [state for state in states if state not in JOB_STATES]:
        raise ValueError(
            f"'{unknown[0][:_QUOTED_CHARS]}' is no state{hint(unknown[0], JOB_STATES)}: there are {', '.join(JOB_STATES)}"
        )
    return states


def _notes(given: list[str]) -> list[str]:
    if wrong := [item for item in given if not item.partition("=")[0] or "=" not in item]:
        raise ValueError(f"'{wrong[0][:_QUOTED_CHARS]}' is not KEY=VALUE")
    if twice := [name for name, times in Counter(_pair(item)[0] for item in given).items() if times > 1]:
        raise ValueError(f"'{twice[0][:_QUOTED_CHARS]}' is given more than once")
    return given


def _prefix(given: str) -> str:
    return IdPrefix.parse(given).digits


@router.get(
    "/jobs",
    operation_id="listJobs",
    summary="The tenant's jobs, the newest first",
    responses=problem_responses("invalid_request", "unauthorized", "search_too_broad", "busy"),
)
async def list_(
    services: ServicesDep,
    key: KeyDep,
    state: Annotated[
        list[str],
        BeforeValidator(_states),
        Query(
            description=f"Only those in one of these states, more than one with commas or given again: {', '.join(JOB_STATES)}.",
            examples=[[JobState.QUEUED.value, JobState.TRANSCRIBING.value]],
        ),
    ] = [],  # noqa: B006 - FastAPI copies defaults
    recording_id: Annotated[
        str | None, Query(min_length=1, max_length=limits.MAX_ID_CHARS, description="Only those of this recording.")
    ] = None,
    since: Annotated[
        Time | None, Query(description="Only those requested then or later.", examples=["2026-01-31T00:00:00Z"])
    ] = None,
    until: Annotated[Time | None, Query(description="Only those requested before.")] = None,
    name: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=limits.MAX_ID_CHARS,
            description="Only those with this in the name of the file or in its address, in any case.",
            examples=["call-17"],
        ),
    ] = None,
    model: Annotated[
        str | None,
        Query(
            min_length=1, max_length=limits.MAX_ID_CHARS, description="Only those that named it, or that it worked on."
        ),
    ] = None,
    language: Annotated[
        str | None,
        BeforeValidator(known_language),
        Query(description="Only those in it: as it was heard, until then as it was asked for.", examples=["he"]),
    ] = None,
    priority: Annotated[Priority | None, Query(description="Only those of this queue.")] = None,
    metadata: Annotated[
        list[str],
        BeforeValidator(_notes),
        Query(
            max_length=MAX_NOTES,
            description="KEY=VALUE, given again for more: all must fit.",
            examples=[["customer=42"]],
        ),
    ] = [],  # noqa: B006 - FastAPI copies defaults
    prefix: Annotated[
        str | None,
        BeforeValidator(_prefix),
        Query(
            max_length=_LONGEST_PREFIX,
            description="Only those whose id begins so: 4 hex digits or more.",
            examples=["0b7e1d"],
        ),
    ] = None,
    limit: Annotated[Number, Query(ge=1, le=MAX_LISTED, description="The most that one page holds.")] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_CHARS, description="From `next_cursor`.")] = None,
) -> JobList:
    """Pages stay as they are while newer jobs come. A job that is done again counts from the request of its latest run.

    By state, time, recording and id any page comes at once. Other filters look at one job after the other: where few fit
    in a long time, `search_too_broad` asks for a shorter one.
    """
    begins = IdPrefix(prefix) if prefix else None
    wanted = JobFilter(
        tenant=key.tenant,
        states=frozenset(state),
        recording_id=recording_id,
        since=since,
        until=until,
        model=model,
        language=language,
        priority=priority,
        name=name,
        metadata=dict(_pair(item) for item in metadata),
        ids=(begins.first, begins.last) if begins else None,
    )
    _check_times(wanted)
    return await _page(services, wanted, limit, cursor)


async def _page(services: Services, wanted: JobFilter, limit: int, cursor: str | None) -> JobList:
    which = _list(wanted)
    wanted = replace(wanted, before=from_cursor(cursor, which))
    async with (
        _turn(services, wanted),
        services.database.as_tenant(wanted.tenant) as connection,
        limited(connection, services.query_seconds),
    ):
        found = await list_jobs(connection, wanted, limit + 1)
    shown, last = page_of(found, limit)
    is_pending = any(job.state not in ENDED for job in shown)
    forecast = await services.forecasts.current(services.database) if is_pending else None
    return JobList(
        jobs=[summary(job, forecast) for job in shown],
        next_cursor=last and to_cursor(which, last.requested_at, last.job_id),
    )


def _turn(services: Services, wanted: JobFilter) -> AbstractAsyncContextManager[None]:
    """A slot of the search limiter for lists that may take as long as a search; nothing for the others."""
    return services.searches.one(wanted.tenant) if wanted.walks else nullcontext()


def _list(wanted: JobFilter) -> int:
    """The number of the list for cursors, equal for the same filters in any order and notation."""
    times = [at and at.timestamp() for at in (wanted.since, wanted.until)]
    named = (wanted.tenant, sorted(wanted.states), sorted(wanted.metadata.items()), wanted.ids, times)
    priority = wanted.priority and str(wanted.priority)
    return list_of("jobs", *named, wanted.recording_id, wanted.model, wanted.language, priority, wanted.name)


def _check_times(wanted: JobFilter) -> None:
    if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
        found = {"field": "until", "message": "must be later than since"}
        raise Rejected("invalid_request", "until: must be later than since", (found,))


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, value
