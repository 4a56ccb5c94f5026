"""The client for programs that block."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import nullcontext
from functools import update_wrapper
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import httpx

from .async_client import Operations
from .protocol.retries import USUAL, Retries
from .protocol.transports import Around, BlockingTransport, http_options

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(Generic[P, T]):
    """An operation as a method that returns its value."""

    def __init__(self, work: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self.__doc__ = work.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: "Client", owner: type) -> Callable[P, T]: ...
    def __get__(self, client: "Client | None", owner: type) -> Self | Callable[P, T]:
        if client is None:
            return self
        operations = client.operations

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return finished(self._work(operations, *args, **kwargs))

        return update_wrapper(call, self._work)


class Listing(Generic[P, T]):
    """An operation as a method that returns an iterator, which works while it is read."""

    def __init__(self, work: Callable[Concatenate[Any, P], AsyncGenerator[T, None]]) -> None:
        self._work = work
        self.__doc__ = work.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: "Client", owner: type) -> Callable[P, Generator[T, None, None]]: ...
    def __get__(self, client: "Client | None", owner: type) -> Self | Callable[P, Generator[T, None, None]]:
        if client is None:
            return self
        operations = client.operations

        def call(*args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
            return each(self._work(operations, *args, **kwargs))

        return update_wrapper(call, self._work)


def finished(work: Coroutine[Any, Any, T]) -> T:
    """The value of a coroutine that never waits, since what it calls blocks."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("a blocking client waits by itself")


def each(items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """The items of a generator of the same kind, which is closed when nobody reads on."""
    try:
        while True:
            try:
                yield finished(items.__anext__())
            except StopAsyncIteration:
                return
    finally:
        finished(items.aclose())


class Client:
    """A client of the service at `url`, with a key as `api_key`; used with `with`, or closed by `close`.

    `timeout_seconds`: for each step of a request, such as connecting, or a silence while an answer is read. `around`: a
    context for every request until its answer begins, such as a span of tracing. Threads may share a client.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_seconds: float = 30.0,
        retries: Retries = USUAL,
        around: Around = nullcontext,
    ) -> None:
        self.url = url
        self._http = httpx.Client(**http_options(url, api_key, timeout_seconds))
        self.operations = Operations(BlockingTransport(self._http, around), retries)

    submit = Blocking(Operations.submit)
    submit_uploaded = Blocking(Operations.submit_uploaded)
    upload = Blocking(Operations.upload)
    create_upload = Blocking(Operations.create_upload)
    upload_state = Blocking(Operations.upload_state)
    write_upload = Blocking(Operations.write_upload)
    delete_upload = Blocking(Operations.delete_upload)
    presign_upload = Blocking(Operations.presign_upload)
    submit_many = Listing(Operations.submit_many)
    submit_lines = Blocking(Operations.submit_lines)
    job = Blocking(Operations.job)
    jobs = Listing(Operations.jobs)
    waiting = Blocking(Operations.waiting)
    wait = Blocking(Operations.wait)
    events = Listing(Operations.events)
    cancel = Blocking(Operations.cancel)
    erase = Blocking(Operations.erase)
    erasure = Blocking(Operations.erasure)
    models = Blocking(Operations.models)
    transcript = Blocking(Operations.transcript)
    transcript_file = Blocking(Operations.transcript_file)
    transcript_tag = Blocking(Operations.transcript_tag)
    correct = Blocking(Operations.correct)
    revisions = Listing(Operations.revisions)
    save_audio = Blocking(Operations.save_audio)
    search = Listing(Operations.search)
    search_page = Blocking(Operations.search_page)
    enhance = Blocking(Operations.enhance)
    enhancement = Blocking(Operations.enhancement)
    register_webhook = Blocking(Operations.register_webhook)
    webhooks = Listing(Operations.webhooks)
    webhook = Blocking(Operations.webhook)
    change_webhook = Blocking(Operations.change_webhook)
    delete_webhook = Blocking(Operations.delete_webhook)
    webhook_secret = Blocking(Operations.webhook_secret)
    rotate_webhook_secret = Blocking(Operations.rotate_webhook_secret)
    test_webhook = Blocking(Operations.test_webhook)
    deliveries = Listing(Operations.deliveries)
    delivery = Blocking(Operations.delivery)
    redeliver = Blocking(Operations.redeliver)
    redeliver_since = Blocking(Operations.redeliver_since)
    create_key = Blocking(Operations.create_key)
    keys = Blocking(Operations.keys)
    usage = Blocking(Operations.usage)
    revoke_key = Blocking(Operations.revoke_key)
    dead_letters = Listing(Operations.dead_letters)
    dead_letter = Blocking(Operations.dead_letter)
    explain = Blocking(Operations.explain)

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()
