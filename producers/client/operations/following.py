"""Following jobs: event streams that go on after a cut, and waiting for the end of a job."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..errors import ClientError, UnexpectedAnswer, WaitExpired
from ..models.events import EVENTS, JobEvent, StateChanged, StreamReady
from ..models.jobs import ENDED, Job
from ..protocol.answers import address, error_in
from ..protocol.calls import Call, Operation
from ..protocol.event_stream import EventParser, ServerEvent
from ..protocol.retries import RECONNECTS, Retries
from ..protocol.transports import Stream
from .session import Id, Session, nothing, one

BEAT_SECONDS = 15.0  # of silence, after which the service sends a sign of life
SILENCE_SECONDS = 3 * BEAT_SECONDS  # after which the connection counts as cut
LOOK_SECONDS = 2.0  # between two looks at a job where there is no stream
WAIT_SECONDS = 3600.0
EVENT_STREAM = "text/event-stream"


class FollowingOperations(Session):
    """Operations that follow jobs."""

    def events(self, job_id: Id | None = None, *, last_event_id: str | None = None) -> AsyncGenerator[JobEvent, None]:
        """The events of one job from its first to its last, or of all jobs of the tenant from now on, without end.

        A stream that is cut is opened anew behind the last event, and leaves nothing out; `last_event_id` does the same
        for a program that was started anew. Raises ClientError when the service cannot be reached for a minute or so.
        """
        return self._events(job_id, last_event_id)

    async def wait(self, job_id: Id, *, timeout_seconds: float | None = WAIT_SECONDS) -> Job:
        """The job when it has ended, well or not: see its `state` and `error`; None: however long that takes.

        Raises WaitExpired when it has not ended in time. An outage of a minute or so is waited out.
        """
        begin = self._transport.now()
        end = float("inf") if timeout_seconds is None else begin + timeout_seconds
        is_signalled = False
        while True:
            left = end - self._transport.now()
            job = await self._seen(job_id, left)
            if job.has_ended:
                return job
            left = end - self._transport.now()
            if left <= 0:
                raise WaitExpired(job, timeout_seconds or 0.0)
            # a stream may say nothing for as long as a beat, so the last stretch is looked at; and a look that finds less
            # than the stream has said is not repeated at once
            is_signalled = not is_signalled and left > BEAT_SECONDS and await self._is_changed(job, end - BEAT_SECONDS)
            if not is_signalled:
                await self._transport.sleep(min(LOOK_SECONDS, left))

    async def _seen(self, job_id: Id, left: float) -> Job:
        call = Call(
            operation=Operation.GET_JOB,
            path=Operation.GET_JOB.path(job_id=job_id),
            read=one(Job),
            is_repeatable=True,
        )
        return await self._sent(call, RECONNECTS.within(left))

    async def _is_changed(self, job: Job, until: float) -> bool:
        """Whether the stream of a job has said that its run has ended, before a time; False where there is no stream."""
        try:
            async with aclosing(self._signs(job.job_id, EventParser(), Retries(attempts=1))) as signs:
                async for event in signs:
                    if isinstance(event, StateChanged) and event.state in ENDED and event.run >= job.run:
                        return True
                    if self._transport.now() >= until:
                        return False
        except ClientError:
            return False  # looking at the job says what is wrong
        return True

    async def _events(self, job_id: Id | None, last_event_id: str | None) -> AsyncGenerator[JobEvent, None]:
        async with aclosing(self._signs(job_id, EventParser(last_event_id or ""), RECONNECTS)) as signs:
            is_ready = False
            async for event in signs:
                if event is None or (is_ready and isinstance(event, StreamReady)):
                    continue  # where a stream goes on nothing was left out
                is_ready = is_ready or isinstance(event, StreamReady)
                yield event

    async def _signs(
        self, job_id: Id | None, parser: EventParser, retries: Retries
    ) -> AsyncGenerator[JobEvent | None, None]:
        """The events of streams that follow each other; None for other signs of life."""
        begin, failures = self._transport.now(), 0
        while True:
            parser.restart()
            try:
                async with self._transport.open(_stream_call(job_id, parser.event_id)) as stream:
                    if _is_over(stream):
                        return
                    async for piece in stream.pieces:
                        failures = 0
                        for sent in parser.feed(piece):
                            yield _event(sent)
            except ClientError as error:
                begin = begin if failures else self._transport.now()
                failures += 1
                await self._pause(error, failures, begin, retries)
            else:
                yield None
                await self._transport.sleep(parser.retry_seconds)


def _stream_call(job_id: Id | None, last_event_id: str) -> Call[None]:
    operation = Operation.FOLLOW_JOBS if job_id is None else Operation.FOLLOW_JOB
    return Call(
        operation=operation,
        path=operation.path() if job_id is None else operation.path(job_id=job_id),
        read=nothing,
        headers={"Accept": EVENT_STREAM, **({"Last-Event-ID": last_event_id} if last_event_id else {})},
        answer_seconds=SILENCE_SECONDS,
        is_repeatable=True,
    )


def _is_over(stream: Stream) -> bool:
    """Whether there is nothing more to come; raises AnswerError for an answer that is no stream."""
    answer = stream.answer
    if not answer.is_success:
        raise error_in(answer)
    if answer.status_code == 204:
        return True
    if not answer.headers.get("content-type", "").startswith(EVENT_STREAM):
        raise UnexpectedAnswer(f"{address(answer)} answered with no event stream", answer.status_code)
    return False


def _event(sent: ServerEvent) -> JobEvent | None:
    """The event of a stream; None for a sign of life, and for one of a newer version."""
    kind = EVENTS.get(sent.name)
    if kind is None:
        return None
    try:
        return kind({**json.loads(sent.data), "event_id": sent.event_id})
    except (ValueError, KeyError, TypeError) as error:
        raise UnexpectedAnswer(f"an event `{sent.name}` that cannot be read", 200) from error
