"""The base of all operations: calls with retries, lists page by page."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

import httpx

from ..errors import ClientError
from ..models.document import Document
from ..protocol.answers import result
from ..protocol.calls import Call, Operation, plain
from ..protocol.retries import Retries
from ..protocol.transports import Transport

T = TypeVar("T")
D = TypeVar("D", bound=Document)
Id = UUID | str
log = logging.getLogger(__name__)


class Session:
    """A way to send, and when to send again."""

    def __init__(self, transport: Transport, retries: Retries) -> None:
        self._transport = transport
        self._retries = retries

    async def _sent(self, call: Call[T], retries: Retries | None = None) -> T:
        """The value in the answer to a call; raises ClientError."""
        begin, attempt = self._transport.now(), 1
        while True:
            try:
                return result(await self._transport.send(call), call.read)
            except ClientError as error:
                await self._pause(error, attempt, begin, retries or self._retries, is_repeatable=call.is_repeatable)
            attempt += 1

    async def _pause(
        self, error: ClientError, attempt: int, begin: float, retries: Retries, *, is_repeatable: bool = True
    ) -> None:
        """Wait until the next attempt; raises the error when there is none."""
        elapsed = self._transport.now() - begin
        seconds = retries.pause(error, attempt, elapsed, is_repeatable=is_repeatable)
        if seconds is None:
            raise error
        log.info("%s; again in %.1f s", error, seconds)
        await self._transport.sleep(seconds)

    async def _got(
        self, operation: Operation, read: Callable[[Any], T], query: Mapping[str, Any] | None = None, **names: Id
    ) -> T:
        """A value that is read, which may be done again."""
        return await self._sent(
            Call(
                operation=operation,
                path=operation.path(**names),
                read=lambda answer: read(answer.json()),
                query=plain(query or {}),
                is_repeatable=True,
            )
        )

    async def _listed(
        self,
        operation: Operation,
        name: str,
        kind: type[D],
        query: Mapping[str, Any],
        limit: int | None,
        most: int,
        **names: Id,
    ) -> AsyncGenerator[D, None]:
        """The items of a list in `name`, up to `limit`; each page of `most` at most is read when it is needed."""
        cursor: str | None = None

        def page(body: Any) -> tuple[list[D], str | None]:
            return [kind(item) for item in body[name]], body["next_cursor"]

        while limit is None or limit > 0:
            size = most if limit is None else min(most, limit)
            items, cursor = await self._got(operation, page, {**query, "limit": size, "cursor": cursor}, **names)
            for item in items:
                yield item
            if cursor is None:
                return
            limit = None if limit is None else limit - len(items)


def one(kind: type[D]) -> Callable[[httpx.Response], D]:
    """The reader of an answer that is one value."""
    return lambda answer: kind(answer.json())


def nothing(_answer: httpx.Response) -> None:
    """The reader of an answer that says no more than that it was done."""
