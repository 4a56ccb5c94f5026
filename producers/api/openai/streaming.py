"""A streamed answer: comments while its job runs, and events when it has ended."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from producers.api.http.middleware import EVENT_STREAM
from producers.api.http.streaming import OwningStream
from producers.api.openai.accepting import Asked
from producers.api.openai.ended import has_ended, still_running, transcript_of
from producers.api.openai.errors import error_of, status_of
from producers.api.openai.events import WAITING, error_event, events
from producers.api.problems import message_of
from producers.api.services import Services
from schemas.errors import Outage, Permanent, Rejected, Transient
from schemas.transcript import Transcript

log = logging.getLogger(__name__)
COMMENT_SECONDS = 5.0
"""How often a waiting client sees that the connection is alive, and how long it waits for the head of its answer.

A job that fails in this time is answered by its status.
"""


def event_stream(services: Services, asked: Asked, transcript: Transcript | None, held: AsyncExitStack) -> OwningStream:
    """The answer; without a transcript it waits for it. `held` is released when it was sent, or its client has left."""
    headers = {**asked.headers, "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return OwningStream(_content(services, asked, transcript), held, headers=headers, media_type=EVENT_STREAM)


async def _content(services: Services, asked: Asked, transcript: Transcript | None) -> AsyncIterator[bytes]:
    try:
        if transcript is None:
            async for comment in _comments(services, asked):
                yield comment
            transcript = await transcript_of(services, asked)
    except Permanent as error:
        yield _failed(error)
        return
    except (Outage, Transient) as error:
        log.warning("answered in a stream: %s", error)
        yield _failed(Rejected("unavailable"))
        return
    for event in events(transcript, diarizes=asked.form.diarizes):
        yield event


async def _comments(services: Services, asked: Asked) -> AsyncIterator[bytes]:
    """Comments until the job ends; raises AboutJob when that takes too long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + services.wait_seconds - COMMENT_SECONDS
    while (left := until - loop.time()) > 0:
        yield WAITING
        if await has_ended(services, asked, min(COMMENT_SECONDS, left)):
            return
    raise still_running(asked, services.wait_seconds)


def _failed(error: Permanent) -> bytes:
    status = status_of(error.code, getattr(error, "status", error.spec.status))
    return error_event(error_of(error, message_of(error), status))
