"""The operations that stream changes of jobs as server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from producers.api.events.hub import EventWindow, Follower
from producers.api.http.leaving import LEFT, unless_left
from producers.api.http.middleware import EVENT_STREAM
from producers.api.http.streaming import OwningStream
from producers.api.problems import problem_responses
from producers.api.requests.ids import JobId
from producers.api.requests.media_types import StrictRoute
from producers.api.services import KeyDep, Services, ServicesDep, authenticate, authenticate_again
from producers.inputs.validation_errors import refused
from schemas.errors import Outage, Rejected
from schemas.vocabulary.job_states import ENDED, JOB_STATES
from sink.jobs import queries
from sink.jobs.changes import BEGINNING, ChangePosition, JobChange, missed_changes
from sink.postgres.statement_timeout import limited

router = APIRouter(prefix="/api/v1", tags=["events"], route_class=StrictRoute)
HEADER = "Last-Event-ID"
BEAT_SECONDS = 15.0  # of silence, after which a comment shows every box between that the connection is alive
BEGIN_SECONDS = 10.0  # in which the database must have answered
CHECK_SECONDS = 1.0  # between two looks whether the key still works, of which the database is asked every five
RETRY_MILLISECONDS = 1000
MOST_MISSED = 2000
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
async def follow_jobs(request: Request, services: ServicesDep, key: KeyDep, position: LastEventId) -> Response:
    """Server-sent events. `ready` comes first: what happens from then on is told, so list the jobs after it.

    `state` is a new line of a job's history and has an id to go on from, in the order of each job; `progress` is told to
    whoever listens, and is not told again. The stream ends when the process does: connect again with the last id.
    """
    return await _stream(_Following(request, services, key.tenant, None), position)


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
async def follow_job(
    job_id: JobId, request: Request, services: ServicesDep, key: KeyDep, position: LastEventId
) -> Response:
    """Server-sent events: its whole history, then what happens, until it has ended; `/api/v1/events` explains them."""
    following = _Following(request, services, key.tenant, job_id)
    state = await following.job_state()  # before the beginning of the stream, which then has the line that says so
    if state is None:
        raise Rejected("not_found", f"job {job_id}")
    return await _stream(following, position, is_over=state in ENDED)


@dataclass(frozen=True, slots=True)
class _Following:
    """A client that follows the jobs of its tenant, or one of them."""

    request: Request
    services: Services
    tenant: str
    job_id: UUID | None

    async def job_state(self) -> str | None:
        """The state of the job that is followed, None when there is no such job, or no longer."""
        if self.job_id is None:
            return None
        async with self.services.database.as_tenant(self.tenant) as connection:
            job = await queries.find(connection, self.job_id, self.tenant)
        return job.state if job else None

    async def missed(self, position: ChangePosition | None, until: str) -> list[tuple[ChangePosition, JobChange]]:
        """Changes before the stream began of which its client was not told; of one job: from its first line."""
        if position is None and self.job_id is None:
            return []
        services = self.services
        async with (
            services.catch_ups.one(self.tenant),
            services.database.as_tenant(self.tenant) as connection,
            limited(connection, services.query_seconds),
        ):
            found = await missed_changes(
                connection, self.tenant, position or BEGINNING, until, self.job_id, MOST_MISSED + 1
            )
        if len(found) > MOST_MISSED:
            raise Rejected("search_too_broad", f"more than {MOST_MISSED} events: list the jobs, and follow from now on")
        return found

    async def may_go_on(self) -> bool:
        """Whether the key, or the session, still works; while the database is away, when nothing is told, it does."""
        try:
            await authenticate_again(self.request)
        except Rejected:
            return False
        except Outage:
            return True
        return True

    async def is_over(self) -> bool:
        """Whether the job that is followed has ended, or was erased; not as long as the database is away."""
        try:
            return self.job_id is not None and await self.job_state() in (None, *ENDED)
        except Outage:
            return False


async def _stream(following: _Following, position: ChangePosition | None, *, is_over: bool = False) -> Response:
    """The stream; a client that leaves before it begins frees its place at once, which others wait for."""
    begun = await unless_left(following.request, _begun(following, position, is_over=is_over))
    return Response(status_code=LEFT) if begun is None else begun


async def _begun(following: _Following, position: ChangePosition | None, *, is_over: bool) -> Response:
    """The stream, once it has its place, its beginning and what was missed; errors of these are answers of their own."""
    services, tenant, job_id = following.services, following.tenant, following.job_id
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(services.streams.one(tenant))
        follower = await opened.enter_async_context(services.events.follow(services.database, tenant, job_id))
        first = await _next_window(follower, BEGIN_SECONDS)
        if first is None or first is _NOTHING:
            raise Rejected("unavailable", "the stream cannot begin: ask again")
        missed = await following.missed(position, first.after)
        if is_over and not missed:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        events = _events(following, follower, first.after, missed, is_over=is_over)
        return OwningStream(events, opened.pop_all(), headers=_HEADERS, media_type=EVENT_STREAM)
    raise AssertionError("never reached")  # an exit stack of type checkers may swallow errors


async def _events(
    following: _Following,
    follower: Follower,
    begins: str,
    missed: list[tuple[ChangePosition, JobChange]],
    *,
    is_over: bool,
) -> AsyncIterator[str]:
    """The text of a stream: what was missed, where it begins, then what happens, until its job, its key or the process ends."""
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    yield "".join(state_event(position, change) for position, change in missed)
    yield event("ready", {}, ChangePosition.at(begins))
    hub, clock = following.services.events, asyncio.get_running_loop().time
    checked = sent = clock()
    is_over = is_over or (follower.job_id is not None and is_ended(change for _, change in missed))
    while not is_over:
        window = await _next_window(follower, CHECK_SECONDS)
        if window is None:
            return
        if clock() - checked >= CHECK_SECONDS:
            if not await following.may_go_on():
                return
            checked = clock()
        if window is not _NOTHING:
            yield "".join(texts_of(window))
            is_over = follower.job_id is not None and is_ended(window.changes)
            sent = clock()
        elif clock() - sent >= BEAT_SECONDS:
            # all that the hub has seen was told, so the next connection need not look at it again
            yield f": \nid: {hub.position}\n\n" if hub.position and follower.windows.empty() else ": \n\n"
            is_over = await following.is_over()
            sent = clock()


_NOTHING = EventWindow("", "")


async def _next_window(follower: Follower, seconds: float) -> EventWindow | None:
    """The next window, _NOTHING after so many seconds without one, None at the end of the stream."""
    try:
        async with asyncio.timeout(seconds):
            return await follower.windows.get()
    except TimeoutError:
        return _NOTHING


def is_ended(changes: Iterable[JobChange]) -> bool:
    """Whether a job has ended after some lines of its history, as far as they say so."""
    states = [change.state for change in changes if change.state in JOB_STATES]
    return bool(states) and states[-1] in ENDED


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
