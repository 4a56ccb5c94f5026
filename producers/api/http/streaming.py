"""Streamed answers that hold something, such as a place of a limiter, until they end."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from producers.api.http.middleware import IS_HEAD


class OwningStream(StreamingResponse):
    """A streamed answer that closes what it holds, however it ends: a client may leave before its first piece.

    HEAD gets the same headers and no piece, since a stream may have no end.
    """

    def __init__(
        self,
        pieces: AsyncIterator[str] | AsyncIterator[bytes],
        held: AsyncExitStack,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(pieces, status_code, headers, media_type)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream until it ends or the client leaves."""
        async with self._held:
            if scope[IS_HEAD]:
                await Response(status_code=self.status_code, headers=dict(self.headers))(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
