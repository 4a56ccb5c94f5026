"""Webhooks: endpoints, their secrets, and deliveries."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, Literal, TypedDict, Unpack

import httpx

from ..models.webhooks import Delivery, Endpoint, EndpointSecret
from ..protocol.calls import Call, Operation, plain
from .session import Id, Session, nothing, one

PAGE = 100
TEST_SECONDS = 60.0  # the longest wait of a test, and the way there and back


class EndpointChange(TypedDict, total=False):
    """Changes of an endpoint; what is left out stays as it is. `max_per_second=None`: the default pace; `events=None`: all."""

    description: str
    max_per_second: float | None
    events: list[str] | None
    state: Literal["enabled", "disabled"]


class WebhookOperations(Session):
    """Operations of webhooks."""

    async def register_webhook(
        self,
        url: str,
        *,
        description: str | None = None,
        max_per_second: float | None = None,
        events: list[str] | None = None,
    ) -> Endpoint:
        """Register an address; one that is known already is the same endpoint."""
        body = plain({"url": url, "description": description, "max_per_second": max_per_second, "events": events})
        operation = Operation.REGISTER_WEBHOOK_ENDPOINT
        return await self._sent(Call(operation=operation, path=operation.path(), read=one(Endpoint), body=body))

    def webhooks(self, *, limit: int | None = None) -> AsyncGenerator[Endpoint, None]:
        """The endpoints of the tenant, the oldest first."""
        return self._listed(Operation.LIST_WEBHOOK_ENDPOINTS, "endpoints", Endpoint, {}, limit, PAGE)

    async def webhook(self, endpoint_id: Id) -> Endpoint:
        """An endpoint as it stands."""
        return await self._got(Operation.GET_WEBHOOK_ENDPOINT, Endpoint, endpoint_id=endpoint_id)

    async def change_webhook(self, endpoint_id: Id, **changes: Unpack[EndpointChange]) -> Endpoint:
        """Enable, disable, describe or limit an endpoint."""
        operation = Operation.CHANGE_WEBHOOK_ENDPOINT
        path = operation.path(endpoint_id=endpoint_id)
        return await self._sent(Call(operation=operation, path=path, read=one(Endpoint), body={**changes}))

    async def delete_webhook(self, endpoint_id: Id) -> None:
        """Forget an endpoint with its secrets and deliveries."""
        operation = Operation.DELETE_WEBHOOK_ENDPOINT
        await self._sent(Call(operation=operation, path=operation.path(endpoint_id=endpoint_id), read=nothing))

    async def webhook_secret(self, endpoint_id: Id) -> EndpointSecret:
        """The secret that verifies signatures."""
        return await self._got(Operation.GET_WEBHOOK_SECRET, EndpointSecret, endpoint_id=endpoint_id)

    async def rotate_webhook_secret(self, endpoint_id: Id, *, overlap_seconds: int | None = None) -> EndpointSecret:
        """Make a new secret; the old one signs along for `overlap_seconds`, a day if nothing is said."""
        operation = Operation.ROTATE_WEBHOOK_SECRET
        path, body = operation.path(endpoint_id=endpoint_id), plain({"overlap_seconds": overlap_seconds})
        return await self._sent(Call(operation=operation, path=path, read=one(EndpointSecret), body=body))

    async def test_webhook(self, url: str, *, wait_seconds: float | None = None) -> Delivery:
        """Send a signed test, and the delivery as it stands when it has ended or the time to wait is up."""
        operation, body = Operation.TEST_WEBHOOK, plain({"url": url, "wait_seconds": wait_seconds})
        path, read = operation.path(), one(Delivery)
        return await self._sent(Call(operation=operation, path=path, read=read, body=body, answer_seconds=TEST_SECONDS))

    def deliveries(
        self,
        *,
        endpoint_id: Id | None = None,
        job_id: Id | None = None,
        state: str | None = None,
        since: datetime | str | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[Delivery, None]:
        """The delivery history, the newest first, without payloads and attempts."""
        query = {"endpoint_id": endpoint_id, "job_id": job_id, "state": state, "since": since}
        return self._listed(Operation.LIST_WEBHOOK_DELIVERIES, "deliveries", Delivery, query, limit, PAGE)

    async def delivery(self, delivery_id: Id) -> Delivery:
        """A delivery with its payload and every attempt."""
        return await self._got(Operation.GET_WEBHOOK_DELIVERY, Delivery, delivery_id=delivery_id)

    async def redeliver(self, delivery_id: Id) -> Delivery:
        """Have a delivery sent again."""
        operation = Operation.REDELIVER_WEBHOOK
        path = operation.path(delivery_id=delivery_id)
        return await self._sent(Call(operation=operation, path=path, read=one(Delivery)))

    async def redeliver_since(self, endpoint_id: Id, since: datetime | str, *, only_failed: bool = True) -> int:
        """Have all deliveries of an endpoint since a time sent again; returns how many those are."""
        operation, number = Operation.REDELIVER_WEBHOOKS, 0
        path = operation.path(endpoint_id=endpoint_id)
        body: dict[str, Any] = plain({"since": since, "only_failed": only_failed})
        while True:
            sent, cursor = await self._sent(Call(operation=operation, path=path, read=_redelivered, body=body))
            number += sent
            if cursor is None:
                return number
            body["cursor"] = cursor


def _redelivered(answer: httpx.Response) -> tuple[int, str | None]:
    page = answer.json()
    return int(page["redelivered"]), page["next_cursor"]
