"""Both clients for one suite: the blocking one as it is, the other one awaited in a loop of its own."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, cast

from producers.client import AsyncClient, Client
from producers.client.protocol.retries import Retries

T = TypeVar("T")
Kind = Literal["blocking", "awaited"]
Opener = Callable[..., Client]
KINDS: tuple[Kind, ...] = ("blocking", "awaited")
QUICK = Retries(attempts=3, seconds=90)


class Awaited:
    """An AsyncClient with the methods of Client."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return self._calling(method) if callable(method) else method

    def __repr__(self) -> str:
        return repr(self._client)

    def _calling(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            found = method(*arguments, **options)
            return self._runner.run(found) if inspect.iscoroutine(found) else self._each(found)

        return call

    def _each(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        try:
            while True:
                try:
                    yield self._runner.run(anext(items))
                except StopAsyncIteration:
                    return
        finally:
            self._runner.run(items.aclose())


@contextmanager
def opened(kind: Kind, url: str, key: str, **options: Any) -> Iterator[Client]:
    """A client of a kind until the end of the block."""
    options = {"timeout_seconds": 90.0, "retries": QUICK, **options}
    if kind == "blocking":
        with Client(url, key, **options) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        awaited = AsyncClient(url, key, **options)
        try:
            yield cast(Client, Awaited(awaited, runner))
        finally:
            runner.run(awaited.aclose())
