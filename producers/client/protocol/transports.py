"""Sending of calls: one way that blocks, one for asyncio and trio. The only modules of the network here.

Operations are written once, for both: what blocks looks as if it could be awaited, and is done when it is.
"""

import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import httpx

from ..version import __version__
from .answers import network_failure
from .calls import Call

T = TypeVar("T")
CONNECT_SECONDS = 5.0
Around = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is read piece by piece; that of an error is there already."""

    answer: httpx.Response
    pieces: AsyncIterator[bytes]


class Transport(Protocol):
    """Sending, and what takes time."""

    async def send(self, call: Call[Any]) -> httpx.Response:
        """The whole answer; raises Unreachable and AnswerLost."""

    def open(self, call: Call[Any]) -> AbstractAsyncContextManager[Stream]:
        """The answer as it comes; raises the same, also while it is read."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def perform(self, work: Callable[[], T]) -> T:
        """Do what may block, such as writing to a disk."""

    def now(self) -> float:
        """Seconds of a clock that is never set."""


class ApiKey(httpx.Auth):
    """The key of a client, sent to the server of its address and to no other."""

    def __init__(self, key: str, url: httpx.URL) -> None:
        if not (key and key.isascii() and key.isprintable()):
            raise ValueError("the API key must be printable ASCII characters")  # without the key
        self._key = key
        self._place = url.scheme, url.host, url.port

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        if (request.url.scheme, request.url.host, request.url.port) == self._place:
            request.headers["X-API-Key"] = self._key
        yield request


def http_options(url: str, api_key: str, timeout_seconds: float) -> dict[str, Any]:
    """Arguments of httpx's clients; raises ValueError for what is no address or key."""
    place = httpx.URL(url)
    if place.scheme not in ("http", "https") or not place.host:
        raise ValueError(f"{url} is no address such as https://scribe.example")
    return {
        "base_url": place,
        "auth": ApiKey(api_key, place),
        "timeout": httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
        "headers": {"User-Agent": f"scribe-rabbit-client/{__version__}"},
        "follow_redirects": False,
        # certificates take a tenth of a program's start, and where nothing is encrypted nobody shows one
        "verify": True if place.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    }


class BlockingTransport:
    """Transport whose calls are done when they return; `around` is entered for every request until its answer begins."""

    def __init__(self, http: httpx.Client, around: Around) -> None:
        self._http = http
        self._around = around

    async def send(self, call: Call[Any]) -> httpx.Response:
        """See Transport."""
        with self._around(), _failures(), _arguments(call, self._http.timeout) as arguments:
            return self._http.request(**arguments)

    @asynccontextmanager
    async def open(self, call: Call[Any]) -> AsyncGenerator[Stream, None]:
        """See Transport."""
        with _failures(), _arguments(call, self._http.timeout) as arguments:
            opened = self._http.stream(**arguments)
            with self._around():
                answer = opened.__enter__()
            try:
                if answer.is_error:
                    answer.read()
                yield Stream(answer, _awaited(answer.iter_bytes()))
            finally:
                opened.__exit__(None, None, None)

    async def sleep(self, seconds: float) -> None:
        """See Transport."""
        time.sleep(seconds)

    async def perform(self, work: Callable[[], T]) -> T:
        """See Transport."""
        return work()

    def now(self) -> float:
        """See Transport."""
        return time.monotonic()


class AwaitedTransport:
    """Transport for asyncio and trio."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def send(self, call: Call[Any]) -> httpx.Response:
        """See Transport."""
        with _failures(), _arguments(call, self._http.timeout) as arguments:
            return await self._http.request(**arguments)

    @asynccontextmanager
    async def open(self, call: Call[Any]) -> AsyncGenerator[Stream, None]:
        """See Transport."""
        with _failures(), _arguments(call, self._http.timeout) as arguments:
            async with self._http.stream(**arguments) as answer:
                if answer.is_error:
                    await answer.aread()
                yield Stream(answer, answer.aiter_bytes())

    async def sleep(self, seconds: float) -> None:
        """See Transport."""
        import anyio  # which a program that blocks has no use for

        await anyio.sleep(seconds)

    async def perform(self, work: Callable[[], T]) -> T:
        """See Transport."""
        import anyio.to_thread

        return await anyio.to_thread.run_sync(work)

    def now(self) -> float:
        """See Transport."""
        return time.monotonic()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        raise network_failure(error) from error


@contextmanager
def _arguments(call: Call[Any], usual: httpx.Timeout) -> Iterator[dict[str, Any]]:
    """A call as arguments of httpx; its file is open within the block."""
    with ExitStack() as opened:
        arguments: dict[str, Any] = {
            "method": call.operation.method,
            "url": call.path,
            "params": call.query,
            "headers": call.headers,
            "json": call.body,
            "content": call.content,
        }
        if call.form is not None:
            file = opened.enter_context(call.form.opened())
            arguments |= {"data": call.form.fields, "files": {"file": (call.form.name, file)}}
        if call.answer_seconds is not None:
            arguments["timeout"] = httpx.Timeout(call.answer_seconds, connect=usual.connect)
        yield arguments


async def _awaited(pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    for piece in pieces:
        yield piece
