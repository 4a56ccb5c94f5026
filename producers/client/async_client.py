"""The client for asyncio and trio."""

from types import TracebackType
from typing import Self

import httpx

from .operations.following import FollowingOperations
from .operations.jobs import JobOperations
from .operations.keys import KeyOperations
from .operations.operators import OperatorOperations
from .operations.recordings import RecordingOperations
from .operations.revisions import RevisionOperations
from .operations.session import Session
from .operations.uploads import UploadOperations
from .operations.webhooks import WebhookOperations
from .protocol.retries import USUAL, Retries
from .protocol.transports import AwaitedTransport, Transport, http_options


class Operations(
    JobOperations,
    FollowingOperations,
    RecordingOperations,
    RevisionOperations,
    WebhookOperations,
    KeyOperations,
    UploadOperations,
    OperatorOperations,
    Session,
):
    """All operations."""

    def __init__(self, transport: Transport, retries: Retries) -> None:
        super().__init__(transport, retries)


class AsyncClient(Operations):
    """A client of the service at `url`, with a key as `api_key`; used with `async with`, or closed by `aclose`.

    `timeout_seconds`: for each step of a request, such as connecting, or a silence while an answer is read.
    """

    def __init__(self, url: str, api_key: str, *, timeout_seconds: float = 30.0, retries: Retries = USUAL) -> None:
        self.url = url
        self._http = httpx.AsyncClient(**http_options(url, api_key, timeout_seconds))
        super().__init__(AwaitedTransport(self._http), retries)

    def __repr__(self) -> str:
        return f"AsyncClient({self.url!r})"

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.aclose()
