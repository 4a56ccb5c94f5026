"""Webhook operations of owners and operators: finding endpoints, redelivery, and test deliveries."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from uuid import UUID, uuid4

from schemas.errors import Permanent, Rejected
from schemas.requests.limits import webhook_mistakes
from schemas.webhooks.deliveries import DeliveryState
from schemas.webhooks.payloads import TestWebhook, time_text
from sink.postgres.database import Connection
from sink.webhooks.deliveries import TEST, NewDelivery, add, delivery_id
from sink.webhooks.endpoints import Endpoint, ensure_endpoint, find_endpoint
from sink.webhooks.history import Place, RedeliveryPage, WebhookDelivery, find_delivery, redeliver, redeliver_since
from sink.webhooks.secrets import SecretBox

MAX_REDELIVERED = 50_000  # by one call
_LOOK_SECONDS = 0.2

Begin = Callable[[], AbstractAsyncContextManager[Connection]]
"""What begins a transaction."""


def check_url(url: str, check_address: Callable[[str], object], field: str = "url") -> None:
    """Raise Rejected(invalid_request) for an invalid endpoint address; `check_address` raises Permanent."""
    found = list(webhook_mistakes(url))
    if not found:
        try:
            check_address(url)
        except Permanent as error:
            found.append(error.detail)
    if found:
        errors = tuple({"field": field, "message": message} for message in found)
        raise Rejected("invalid_request", f"{field}: {'; '.join(found)}", errors)


async def known_endpoint(connection: Connection, endpoint: UUID, tenant: str | None = None) -> Endpoint:
    """An endpoint, of that tenant when one is named; raises Rejected(not_found)."""
    found = await find_endpoint(connection, endpoint, tenant)
    if found is None:
        raise Rejected("not_found", f"webhook endpoint {endpoint}")
    return found


async def known_delivery(connection: Connection, delivery: UUID, tenant: str | None = None) -> WebhookDelivery:
    """A delivery, of that tenant when one is named; raises Rejected(not_found)."""
    found = await find_delivery(connection, delivery, tenant)
    if found is None:
        raise Rejected("not_found", f"webhook delivery {delivery}")
    return found


async def send_again(connection: Connection, delivery: UUID, tenant: str | None = None) -> WebhookDelivery:
    """Send one delivery again; raises Rejected: not_found, payload_gone, endpoint_disabled, being_sent."""
    found = await known_delivery(connection, delivery, tenant)
    if found.cleared_at is not None:
        raise Rejected(
            "payload_gone", f"it was deleted at {found.cleared_at:%Y-%m-%d %H:%M} UTC, when its time was over"
        )
    _check_enabled(await known_endpoint(connection, found.endpoint_id, tenant))
    if not await redeliver(connection, delivery):
        raise Rejected("being_sent", "it is tried again by its schedule if that fails")
    return await known_delivery(connection, delivery, tenant)


async def send_all_again(
    connection: Connection,
    endpoint: UUID,
    since: datetime,
    after: Place | None,
    *,
    only_failed: bool,
    tenant: str | None = None,
) -> RedeliveryPage:
    """Redeliver to an endpoint since a time, or `after` a place; raises Rejected: not_found, endpoint_disabled."""
    _check_enabled(await known_endpoint(connection, endpoint, tenant))
    return await redeliver_since(
        connection, endpoint, since, limit=MAX_REDELIVERED, after=after, only_failed=only_failed
    )


async def send_test(
    begin: Begin, box: SecretBox, tenant: str, url: str, now: datetime, most: int | None = None
) -> UUID:
    """Schedule a test, registering the endpoint if need be; returns the delivery's id.

    `most`: the number of endpoints that the tenant may have. Raises Rejected: endpoint_disabled, too_many_endpoints.
    """
    async with begin() as connection:
        endpoint, _ = await ensure_endpoint(connection, box, tenant, url, most)
        _check_enabled(endpoint)
        new = NewDelivery(
            event_id=uuid4(),
            job_id=None,
            type=TEST,
            payload=TestWebhook(
                type=TEST,
                timestamp=time_text(now),
                data={"tenant": tenant, "endpoint_id": str(endpoint.endpoint_id)},
            ),
            asked=None,
        )
        await add(connection, endpoint.endpoint_id, new)
    return delivery_id(new.event_id, endpoint.endpoint_id)


async def outcome_of(begin: Begin, delivery: UUID, seconds: float) -> WebhookDelivery:
    """The delivery when it has ended, or its state after `seconds`."""
    until = asyncio.get_running_loop().time() + seconds
    while True:
        async with begin() as connection:
            found = await known_delivery(connection, delivery)
        if found.state is not DeliveryState.PENDING or asyncio.get_running_loop().time() >= until:
            return found
        await asyncio.sleep(_LOOK_SECONDS)


def _check_enabled(endpoint: Endpoint) -> None:
    if endpoint.state == "disabled":
        raise Rejected("endpoint_disabled", endpoint.reason or "")
