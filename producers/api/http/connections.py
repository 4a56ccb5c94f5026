"""Time limits of each client connection, and a limit of their number so that other clients are still served.

uvicorn waits without a limit for the head of a request, for its body, and for a client that does not read. Here each of
these waits is limited, and at the maximum number of connections the one that has waited longest is closed for a new
one.
"""

import asyncio
import logging
import os
import socket
import struct
from collections import OrderedDict
from enum import StrEnum
from typing import Any

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from producers.api.http.client_limits import ClientLimits, MinimumRate
from producers.api.http.protocol import ProblemProtocol, framing_answer
from producers.api.problems import problem
from schemas import metrics
from schemas.errors import Rejected

log = logging.getLogger(__name__)
_QUIET = logging.getLogger(f"{__name__}.uvicorn")
_QUIET.setLevel(logging.ERROR)  # it would warn at each request of a stranger that is no HTTP
HEALTH = frozenset({"/livez", "/readyz", "/health", "/metrics"})
"""What is answered however many connections there are."""
_TELL_SECONDS = 60.0
# who began to wait a moment ago may have sent what we did not read yet: as long as others have waited for longer, they
# make room, first those that wait for a head, which lose least
_MOMENT_SECONDS = 0.2
_ROUNDS = 5  # of the event loop, some microseconds each where nothing else is to be done


class Waits(StrEnum):
    """The kind of client action for which a connection waits."""

    HEAD = "head"  # of the next request, begun or not
    BODY = "body"
    UNREAD = "unread"  # answers that the client does not take


class Connections:
    """All connections of a server, with the waiting ones ordered by the start of their wait."""

    def __init__(self, patience: ClientLimits) -> None:
        self.patience = patience
        self.open: set[Connection] = set()
        self._waiting: dict[Waits, OrderedDict[Connection, None]] = {kind: OrderedDict() for kind in Waits}
        self._told_at = -_TELL_SECONDS
        self._next_look: asyncio.TimerHandle | None = None
        self._beginning = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for the turn of a request whose body is on its way: one of them begins in some rounds of the event loop.

        In each round one connection is accepted. So a complete request is answered between a thousand that are not, and does
        not wait until all of those have begun.
        """
        async with self._beginning:
            for _ in range(_ROUNDS):
                await asyncio.sleep(0)

    def join(self, connection: "Connection") -> None:
        """Accept a connection; at the limit, close a waiting one, else serve only health checks, else refuse it."""
        self.open.add(connection)
        self.wait(connection, Waits.HEAD)
        self._look_later(connection.loop)
        at_once = len(self.open) > self.patience.most + self.patience.spare
        if not self.has_room_for(connection, at_once=at_once) and at_once:
            connection.give_up("full", Rejected("too_many_connections"))

    def leave(self, connection: "Connection") -> None:
        """Remove a closed connection."""
        self.open.discard(connection)
        self.wait(connection, None)

    def has_room_for(self, connection: "Connection", *, at_once: bool = True) -> bool:
        """Whether the number of connections is within the limit, if need be after closing another one.

        `at_once`: also close one that has waited for only a moment.
        """
        return len(self.open) <= self.patience.most or self._make_room(connection, at_once)

    def _make_room(self, newcomer: "Connection", at_once: bool) -> bool:
        now = newcomer.loop.time()
        self._tell(now)
        longest = [found for kind in Waits if (found := self._longest(kind, newcomer)) is not None]
        patient = [connection for connection in longest if now - connection.pace.since >= _MOMENT_SECONDS]
        if not patient and not (at_once and longest):
            return False
        # whoever came first, since a request of those who came before may begin after a later client has come
        victim = patient[0] if patient else min(longest, key=lambda connection: connection.came_at)
        victim.give_up("room")
        self.open.discard(victim)
        return True

    def _longest(self, kind: Waits, newcomer: "Connection") -> "Connection | None":
        """The connection that has waited longest, except those just answered, which would lose unsent data."""
        others = (connection for connection in self._waiting[kind] if connection is not newcomer)
        return next((other for other in others if kind is Waits.UNREAD or not other.has_unsent), None)

    def wait(self, connection: "Connection", kind: Waits | None) -> None:
        """Put a connection at the end of the queue of its kind of wait; None: it waits for nothing."""
        if connection.waits is not None:
            self._waiting[connection.waits].pop(connection, None)
        connection.waits = kind if connection in self.open else None
        if kind is not None and connection in self.open:
            self._waiting[kind][connection] = None

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._next_look is None and self.open:
            self._next_look = loop.call_later(self.patience.look_seconds, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in tuple(self.open):
            connection.look(now)
        self._next_look = None
        self._look_later(loop)

    def _tell(self, now: float) -> None:
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            log.warning(
                "%d connections are open: those that wait longest for their clients make room, else new ones are refused"
                " (SCRIBE_API_MAX_CONNECTIONS, ulimit -n)",
                len(self.open),
            )


class Connection(ProblemProtocol):
    """A connection that closes when its client takes too long."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        all_of_them: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app = self._served
        self.logger = _QUIET
        self._all = all_of_them
        self._patience = all_of_them.patience
        self.waits: Waits | None = None
        self.came_at = self.loop.time()
        self.pace = MinimumRate(self.came_at)
        self._in_body = False
        self._unsent = 0
        self._lingers = False  # closes when the client has read the answer
        self._unwanted: int | None = None  # bytes of a body that were thrown away after its answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register a new connection."""
        super().connection_made(transport)
        self._all.join(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove a connection that was lost."""
        self._all.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read received bytes; those that follow an early answer are discarded."""
        if self.transport.is_closing():
            return
        if self._unwanted is not None:
            self._throw_away(len(data))
            return
        if self.waits is Waits.HEAD and not self._head_bytes and self.cycle is not None:
            self.pace = MinimumRate(self.loop.time())  # a kept connection's next head has its own time
        if self.waits is Waits.BODY:
            self._moved(len(data))
        super().data_received(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header; trailers are ignored, since they must not change how the request was understood."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start waiting for the body of a request."""
        self._in_body = True
        self._wait(Waits.BODY)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note the end of a request's body."""
        super().on_message_complete()
        self._in_body = False
        self._wait_for_what_comes()

    def on_response_complete(self) -> None:
        """Note the end of an answer; before a close, give the client time to read it."""
        if self._lingers and not self.transport.is_closing():
            self._linger()
        super().on_response_complete()
        self._wait_for_what_comes()

    def pause_writing(self) -> None:
        """Start waiting for a client that reads slower than it is sent."""
        super().pause_writing()
        self._wait(Waits.UNREAD)

    def resume_writing(self) -> None:
        """Stop waiting for a client that has read enough."""
        super().resume_writing()
        self._wait_for_what_comes()

    def look(self, now: float) -> None:
        """Give up when the client has exceeded its time."""
        unsent, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if self._unsent:  # also of a connection that is about to be closed
            if self.waits is not Waits.UNREAD:
                self._wait(Waits.UNREAD)
            elif self._unsent < unsent:
                self._moved(unsent - self._unsent)
        elif self.transport.is_closing():
            return
        elif self.waits is Waits.UNREAD:
            self._wait_for_what_comes()
        elif self.waits is Waits.BODY and self._unwanted is None and self._keeps_its_client_waiting():
            self._wait(Waits.BODY)
        self._judge(now - self.pace.since)

    def _judge(self, seconds: float) -> None:
        match self.waits:
            case Waits.HEAD if seconds > self._patience.head_seconds:
                begun = Rejected("request_timeout", f"its head took more than {self._patience.head_seconds:g} s")
                self.give_up("head", begun if self._head_bytes else None)
            case Waits.BODY if self._unwanted is not None and seconds > self._patience.unwanted_seconds:
                self.give_up("body")
            case Waits.BODY if seconds > self._patience.body_seconds:
                slow = f"less than {self._patience.bytes_per_second:g} bytes a second came of its body"
                answered = self.cycle.response_started
                self.give_up("body", None if answered else Rejected("request_timeout", slow))
            case Waits.UNREAD if seconds > self._patience.unread_seconds:
                self.give_up("unread")

    @property
    def has_unsent(self) -> bool:
        """Whether a part of the answers has not left this process."""
        return self.transport.get_write_buffer_size() > 0

    def give_up(self, reason: str, answer: Rejected | None = None) -> None:
        """Close the connection, after an error answer if one is given."""
        metrics.HTTP_CONNECTIONS_CUT.labels(reason).inc()
        self._all.wait(self, None)
        if self.cycle is not None:  # a handler that reads the body learns of it
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if answer is not None:
            self.transport.write(framing_answer(answer, self.cycle.scope["path"] if self._in_body else ""))
            self.transport.close()
        elif self.has_unsent:
            self._reset()
        else:
            self.transport.close()

    def _reset(self) -> None:
        """Reset the connection; else the operating system would keep offering data that the client does not read."""
        with socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def _served(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = self.config.loaded_app
        if scope["path"] not in HEALTH and not self._all.has_room_for(self):
            metrics.HTTP_CONNECTIONS_CUT.labels("full").inc()
            app = problem(Request(scope), Rejected("too_many_connections"), Connection="close")

        async def send_all(message: Message) -> None:
            if self._in_body and self.cycle.scope is scope:
                if message["type"] == "http.response.start":
                    self.cycle.keep_alive = False  # the head says so
                elif not message.get("more_body", False):
                    self.cycle.keep_alive = self._lingers = True  # uvicorn would close at once
            await send(message)

        if self._in_body and self.cycle.scope is scope:
            await self._all.turn()
        await app(scope, receive, send_all)

    def _linger(self) -> None:
        """End the sending side, and wait briefly for the client to read the answer and close.

        An immediate close, with a part of a body on its way, would reset the connection, and the answer would be lost.
        """
        self._unwanted = 0
        self.pipeline.clear()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _throw_away(self, size: int) -> None:
        self._unwanted = (self._unwanted or 0) + size
        if self._unwanted > self._patience.unwanted_bytes:
            self.flow.pause_reading()  # who does not look at the answer before all is sent waits until time is over

    def _wait_for_what_comes(self) -> None:
        if self.flow.write_paused:
            self._wait(Waits.UNREAD)
        elif self._in_body or self._unwanted is not None:
            self._wait(Waits.BODY)
        elif self.cycle is not None and not self.cycle.response_complete:
            self._all.wait(self, None)  # now the client waits for us
        else:
            self._wait(Waits.HEAD)

    def _wait(self, kind: Waits) -> None:
        self.pace = MinimumRate(self.loop.time())
        self._all.wait(self, kind)

    def _moved(self, size: int) -> None:
        if self.waits and self.pace.moved(size, self.loop.time(), self._patience.bytes_per_second):
            self._all.wait(self, self.waits)

    def _keeps_its_client_waiting(self) -> bool:
        return self.flow.read_paused or self.cycle.waiting_for_100_continue
