"""The operations that stream changes of jobs as server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from producers.api.events.hub import EventWindow, Follower
from producers.api.http.streaming import OwningStream
from producers.api.problems import problem_responses
from producers.api.requests.conditional import EVENT_STREAM
from producers.api.requests.media_types import StrictRoute
from producers.api.services import KeyDep, Services, ServicesDep, authenticate
from producers.inputs.validation_errors import refused
from schemas.errors import Rejected
from schemas.vocabulary.job_states import ENDED, JOB_STATES
from sink.jobs import queries
from sink.jobs.changes import BEGINNING, ChangePosition, JobChange, missed_changes
from sink.postgres.statement_timeout import limited
from sink.tenants.api_keys import ApiKey

router = APIRouter(prefix="/api/v1", tags=["events"], route_class=StrictRoute)
HEADER = "Last-Event-ID"
BEAT_SECONDS = 15.0  # of silence, after which a comment shows every box between that the connection is alive
RETRY_MILLISECONDS = 1000
MOST_MISSED = 10_000
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter tells nginx to pass on each event
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events: `ready`, `state`, `progress`",
        "content": {
            EVENT_STREAM: {
                "schema": {"type": "string"},
                "example": 'id: 812:812:/812:813:/57\nevent: state\ndata: {"job_id": "0b7e1d0a-…", "run": 0,'
                ' "state": "transcribing", "at": "2026-01-31T12:00:00Z", "detail": {}}\n\n',
            }
        },
    }
}


async def _read(
    request: Request,
    _: Annotated[
        str | None,
        Header(
            alias=HEADER,
            description="The id of the last event that you had: the stream goes on behind it, and leaves nothing out.",
        ),
    ] = None,
) -> ChangePosition | None:
    await authenticate(request)
    lines = request.headers.getlist(HEADER)
    try:
        if len(lines) > 1:
            raise ValueError("is given more than once")
        return ChangePosition.parse(lines[0]) if lines else None
    except ValueError as error:
        raise refused([(("header", HEADER), str(error))]) from None


LastEventId = Annotated[ChangePosition | None, Depends(_read)]


@router.get(
    "/events",
    operation_id="followJobs",
    summary="The changes of all jobs of the tenant, as they happen",
    response_class=Response,
    responses={**_STREAM, **problem_responses("invalid_request", "unauthorized", "search_too_broad", "busy")},
)
async def follow_jobs(services: ServicesDep, key: KeyDep, position: LastEventId) -> Response:
    """Server-sent events. `ready` comes first: what happens from then on is told, so list the jobs after it.

    `state` is a new line of a job's history and has an id to go on from, in the order of each job; `progress` is told to
    whoever listens, and is not told again. The stream ends when the process does: connect again with the last id.
    """
    return await _stream(services, key, None, position)


@router.get(
    "/jobs/{job_id}/events",
    operation_id="followJob",
    summary="The changes of one job, from its first to its last",
    response_class=Response,
    responses={
        **_STREAM,
        204: {"description": "The job has ended, and you know it: do not connect again"},
        **problem_responses("invalid_request", "unauthorized", "not_found", "search_too_broad", "busy"),
    },
)
async def follow_job(job_id: UUID, services: ServicesDep, key: KeyDep, position: LastEventId) -> Response:
    """Server-sent events: its whole history, then what happens, until it has ended; `/api/v1/events` explains them."""
    async with services.database.as_tenant(key.tenant) as connection:
        if await queries.find(connection, job_id, key.tenant) is None:
            raise Rejected("not_found", f"job {job_id}")
    return await _stream(services, key, job_id, position)


async def _stream(services: Services, key: ApiKey, job_id: UUID | None, position: ChangePosition | None) -> Response:
    """The stream, once it has its place, its beginning and what was missed; errors of these are answers of their own."""
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(services.streams.one(key.tenant))
        follower = await opened.enter_async_context(services.events.follow(services.database, key.tenant, job_id))
        if (first := await follower.windows.get()) is None:
            raise Rejected("unavailable", "this process is about to end: ask again")
        missed = await _missed(services, follower, position, first.after)
        if job_id is not None and not missed and await _has_ended(services, follower, first.after):
            return Response(status_code=HTTPStatus.NO_CONTENT)
        events = _events(services, follower, first.after, missed)
        return OwningStream(events, opened.pop_all(), headers=_HEADERS, media_type=EVENT_STREAM)
    raise AssertionError("never reached")  # an exit stack of type checkers may swallow errors


async def _missed(
    services: Services, follower: Follower, position: ChangePosition | None, until: str
) -> list[tuple[ChangePosition, JobChange]]:
    """Changes before the stream began of which its client was not told; of one job: from its first line."""
    if position is None and follower.job_id is None:
        return []
    async with (
        services.database.as_tenant(follower.tenant) as connection,
        limited(connection, services.query_seconds),
    ):
        found = await missed_changes(
            connection, follower.tenant, position or BEGINNING, until, follower.job_id, MOST_MISSED + 1
        )
    if len(found) > MOST_MISSED:
        raise Rejected("search_too_broad", f"more than {MOST_MISSED} events: list the jobs, and follow from now on")
    return found


async def _has_ended(services: Services, follower: Follower, until: str) -> bool:
    """Whether a job had ended at a position, from which it may go on in a later run."""
    async with services.database.as_tenant(follower.tenant) as connection:
        lines = await missed_changes(connection, follower.tenant, BEGINNING, until, follower.job_id, MOST_MISSED)
    return is_ended(change for _, change in lines)


def is_ended(changes: Iterable[JobChange], before: bool = False) -> bool:
    """Whether a job has ended after some lines of its history; `before`: whether it had."""
    states = [change.state for change in changes if change.state in JOB_STATES]
    return states[-1] in ENDED if states else before


async def _events(
    services: Services, follower: Follower, begins: str, missed: list[tuple[ChangePosition, JobChange]]
) -> AsyncIterator[str]:
    """The text of a stream: where it begins, what was missed, then what happens, until its job or the process ends."""
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    yield "".join(state_event(position, change) for position, change in missed)
    yield event("ready", {}, ChangePosition.at(begins))
    ended = follower.job_id is not None and await _has_ended(services, follower, begins)
    while not ended:
        try:
            async with asyncio.timeout(BEAT_SECONDS):
                window = await follower.windows.get()
        except TimeoutError:
            # all that the hub has seen was told, so the next connection need not look at it again
            yield f": \nid: {services.events.position}\n\n"
            continue
        if window is None:
            return
        yield "".join(texts_of(window))
        ended = follower.job_id is not None and is_ended(window.changes)


def texts_of(window: EventWindow) -> Iterator[str]:
    """The events of a window."""
    for change in window.changes:
        yield state_event(ChangePosition(window.before, window.after, change.id), change)
    for job in window.progress:
        fraction = min(1.0, max(0.0, job.done_seconds / job.total_seconds)) if job.total_seconds else None
        seconds = {"done_seconds": job.done_seconds, "total_seconds": job.total_seconds, "fraction": fraction}
        yield event("progress", {"job_id": str(job.job_id), "run": job.run, **seconds})


def state_event(position: ChangePosition, change: JobChange) -> str:
    """The event of a line of a job's history."""
    line = {"run": change.run, "state": change.state, "at": change.at.isoformat(), "detail": change.detail}
    return event("state", {"job_id": str(change.job_id), **line}, position)


def event(name: str, data: dict[str, Any], position: ChangePosition | None = None) -> str:
    """An event as text: its data are one line of JSON."""
    identified = "" if position is None else f"id: {position}\n"
    return f"{identified}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
