"""Middleware around every request: its id, its size limit, its metrics, and an error answer whatever happens."""

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producers.api.access.rate_limits import HEADERS_IN_SCOPE
from producers.api.jobs.uploads import tus
from producers.api.problems import METHODS, problem
from schemas import metrics
from schemas.errors import Rejected
from schemas.process import logs
from schemas.wire.headers import TRACEPARENT, trace_id
from sink.process import tracing
from sink.process.span_names import HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS
from sink.process.tracing import Span

log = logging.getLogger(__name__)
MAX_BODY_BYTES = 256 * 1024
REQUEST_ID = "x-request-id"
IS_HEAD = "scribe.is_head"
"""Whether a request is HEAD: an answer without an end must not begin."""
EVENT_STREAM = "text/event-stream"
"""The media type of server-sent events, which last as long as their clients want."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestContext:
    """ASGI middleware; paths in `streaming` limit their bodies themselves."""

    def __init__(self, app: ASGIApp, streaming: frozenset[str], max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._streaming = streaming
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = tus.method_of(scope)
        # HEAD is GET without the body, which the server leaves away: it has a scope of its own
        scope = {**scope, "method": "GET" if method == "HEAD" else method, IS_HEAD: method == "HEAD"}
        scope["request_id"] = request_id(*Headers(scope=scope).getlist(REQUEST_ID))
        answer = _Answer(send, scope)
        parent = traceparent_of(scope)
        started = time.monotonic()
        with (
            logs.bound(request_id=scope["request_id"], trace_id=trace_id(parent)),
            metrics.HTTP_IN_PROGRESS.track_inprogress(),
            tracing.span(method if method in METHODS else "other", "server", parent=parent) as span,
        ):
            try:
                await self._guarded(scope, receive, answer)
            finally:
                names = _names(scope, method, answer.status)
                _count(*names, answer.status, None if answer.is_stream else time.monotonic() - started)
                _describe(span, *names, answer.status)

    async def _guarded(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            unlimited = scope["path"] in self._streaming or tus.is_upload_path(scope["path"])
            limited = receive if unlimited else _limited(scope, receive, self._max_body_bytes)
            await self._app(scope, limited, answer)
        except _TooLarge as error:
            await answer.unless_begun(scope, receive, Rejected("request_too_large", str(error)))
        except Exception:  # every client gets a problem document, whatever went wrong
            log.exception("request failed: %s %s", scope["method"], scope["path"])
            await answer.unless_begun(scope, receive, Rejected("internal"))
        if reason := scope.get("outage"):
            log.warning("answered 503: %s", reason)


class _TooLarge(HTTPException):
    """Error: the body exceeds the limit; an HTTPException, since FastAPI turns other errors of reading into 400."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"at most {limit} bytes")


class _Answer:
    """Sends an answer and records its status."""

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._scope = scope
        self.status: int | None = None
        self.is_stream = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._scope["request_id"]
            headers["X-Content-Type-Options"] = "nosniff"
            headers.update(self._scope.get(HEADERS_IN_SCOPE, {}))
            if tus.is_upload_path(self._scope["path"]):
                headers.update(tus.answer_headers(self._scope["method"], self._scope["app"].state.upload_max_bytes))
            self.is_stream = headers.get("content-type", "").startswith(EVENT_STREAM)
        await self._send(message)

    async def unless_begun(self, scope: Scope, receive: Receive, error: Rejected) -> None:
        if self.status is None:
            await problem(Request(scope), error)(scope, receive, self)


def request_id(*given: str) -> str:
    """The client's own request id if it is a single harmless one, else a new one."""
    return given[0] if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]) else secrets.token_hex(8)


def _limited(scope: Scope, receive: Receive, limit: int) -> Callable[[], Awaitable[Message]]:
    announced = Headers(scope=scope).get("content-length", "0")
    received = int(announced) if announced.isdecimal() else 0
    counted = 0

    async def read() -> Message:
        nonlocal counted
        if received > limit:
            raise _TooLarge(limit)
        message = await receive()
        counted += len(message.get("body", b""))
        if counted > limit:
            raise _TooLarge(limit)
        return message

    return read


def traceparent_of(scope: Scope) -> str | None:
    """The trace context that a request came with, if it is one."""
    given = Headers(scope=scope).getlist(TRACEPARENT)
    return given[0] if len(given) == 1 and trace_id(given[0]) else None


def _names(scope: Scope, method: str, status: int | None) -> tuple[str, str]:
    """Method and route as labels: only those of our own operations, so that nobody can make new ones.

    A method that the route does not take is no operation, and HEAD is the GET that it stands for.
    """
    found = None if status == HTTPStatus.METHOD_NOT_ALLOWED or method == "OPTIONS" else scope.get("route")
    return scope["method"] if method in METHODS else "other", getattr(found, "path", "none")


def _describe(span: Span, method: str, route: str, status: int | None) -> None:
    span.rename(f"{method} {route}")
    span.set(HTTP_ROUTE, route)
    span.set(HTTP_METHOD, method)
    if status is not None:
        span.set(HTTP_STATUS, status)
    if status is None or status >= 500:
        span.fail(str(status or "none"))


def _count(method: str, route: str, status: int | None, seconds: float | None) -> None:
    """Count a request; a stream lasts as long as its client wants, which is no time that an answer took."""
    metrics.HTTP_REQUESTS.labels(method, route, status or "none").inc()
    if seconds is not None:
        metrics.HTTP_SECONDS.labels(method, route).observe(seconds)
