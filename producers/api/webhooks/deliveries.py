"""Delivery history of a tenant's webhooks: listing, reading with every attempt, redelivery, and tests of endpoints."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from producers.api.problems import problem_responses
from producers.api.requests.cursor import MAX_CHARS, from_cursor, list_of, page_of, to_cursor
from producers.api.requests.ids import DeliveryId, EndpointId
from producers.api.requests.media_types import BODY_CODES, StrictRoute
from producers.api.requests.query import Number, Time
from producers.api.services import KeyDep, ServicesDep
from producers.api.webhooks.endpoints import REGISTERING, secret_box
from producers.api.webhooks.views import (
    PATH,
    DeliveryDetail,
    DeliveryList,
    DeliveryView,
    RedeliverBody,
    Redelivered,
    TestBody,
    delivery_detail,
    delivery_path,
    delivery_view,
)
from producers.jobs.webhooks import check_url, known_delivery, outcome_of, send_again, send_all_again, send_test
from schemas.webhooks.deliveries import DeliveryState
from sink.postgres.statement_timeout import limited
from sink.webhooks.history import DeliveryFilter, attempts_of, list_deliveries

router = APIRouter(tags=["webhooks"], route_class=StrictRoute)
MAX_LISTED = 200
CODES = ("invalid_request", "unauthorized", "not_found")


@router.get(
    f"{PATH}/deliveries",
    operation_id="listWebhookDeliveries",
    summary="The delivery history, the newest first",
    responses=problem_responses(*CODES[:2], "search_too_broad"),
)
async def list_(
    services: ServicesDep,
    key: KeyDep,
    endpoint_id: Annotated[UUID | None, Query(description="Only this endpoint's.")] = None,
    job_id: Annotated[UUID | None, Query(description="Only this job's.")] = None,
    state: Annotated[DeliveryState | None, Query(description="Only those in this state.")] = None,
    since: Annotated[Time | None, Query(description="Only those scheduled then or later.")] = None,
    limit: Annotated[Number, Query(ge=1, le=MAX_LISTED, description="The most that one page holds.")] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_CHARS, description="From `next_cursor`.")] = None,
) -> DeliveryList:
    """`exhausted` are those that every attempt failed of, `disabled` those whose endpoint was or is disabled."""
    filters = (
        endpoint_id and endpoint_id.hex,
        job_id and job_id.hex,
        state and state.value,
        since and since.timestamp(),
    )
    which = list_of("deliveries", key.tenant, *filters)
    wanted = DeliveryFilter(
        tenant=key.tenant,
        endpoint_id=endpoint_id,
        job_id=job_id,
        state=state,
        since=since,
        before=from_cursor(cursor, which),
    )
    async with services.database.as_tenant(key.tenant) as connection, limited(connection, services.query_seconds):
        found = await list_deliveries(connection, wanted, limit + 1)
    shown, last = page_of(found, limit)
    goes_on = last and to_cursor(which, last.created_at, last.delivery_id)
    return DeliveryList(deliveries=[delivery_view(delivery) for delivery in shown], next_cursor=goes_on)


@router.get(
    f"{PATH}/deliveries/{{delivery_id}}",
    operation_id="getWebhookDelivery",
    summary="A delivery with every attempt",
    responses=problem_responses(*CODES),
)
async def read(delivery_id: DeliveryId, services: ServicesDep, key: KeyDep) -> DeliveryDetail:
    """Status, latency, error and the first words of every answer."""
    async with services.database.as_tenant(key.tenant) as connection:
        found = await known_delivery(connection, delivery_id, key.tenant)
        return delivery_detail(found, await attempts_of(connection, delivery_id))


@router.post(
    f"{PATH}/deliveries/{{delivery_id}}/redeliver",
    operation_id="redeliverWebhook",
    summary="Send a delivery again",
    status_code=202,
    responses=problem_responses(*CODES, "payload_gone", "endpoint_disabled", "being_sent"),
)
async def redeliver(delivery_id: DeliveryId, services: ServicesDep, key: KeyDep) -> DeliveryView:
    """At once and by the whole schedule, under the same `webhook-id` and order number, whatever became of it before.

    One that waits for its next attempt waits no longer. One that is on its way is let alone: 409 `being_sent`.
    """
    async with services.database.as_tenant(key.tenant, writing=True) as connection:
        return delivery_view(await send_again(connection, delivery_id, key.tenant))


@router.post(
    f"{PATH}/endpoints/{{endpoint_id}}/redeliver",
    operation_id="redeliverWebhooks",
    summary="Send all deliveries of an endpoint again since a time",
    status_code=202,
    responses=problem_responses(*CODES, *BODY_CODES, "endpoint_disabled"),
)
async def redeliver_all(
    endpoint_id: EndpointId, body: RedeliverBody, services: ServicesDep, key: KeyDep
) -> Redelivered:
    """Oldest first, at the endpoint's own pace, up to 50,000 a call: go on with `next_cursor` until it is null.

    Left as they are: those that wait for an attempt anyway, and those whose payload is deleted since its time is over.
    """
    which = list_of("redeliver", key.tenant, endpoint_id.hex, body.since.timestamp(), body.only_failed)
    after = from_cursor(body.cursor, which)
    async with services.database.as_tenant(key.tenant, writing=True) as connection:
        sent = await send_all_again(
            connection, endpoint_id, body.since, after, only_failed=body.only_failed, tenant=key.tenant
        )
    return Redelivered(redelivered=sent.number, next_cursor=sent.more_after and to_cursor(which, *sent.more_after))


@router.post(
    "/api/v1/webhook/test",
    operation_id="testWebhook",
    summary="Send a signed test and see how it ends",
    responses={
        202: {"model": DeliveryDetail, "description": "It has not ended yet; see Location"},
        **problem_responses(*CODES[:2], *BODY_CODES, *REGISTERING, "endpoint_disabled"),
    },
)
async def test_webhook(body: TestBody, response: Response, services: ServicesDep, key: KeyDep) -> DeliveryDetail:
    """A webhook of type `webhook.test`, sent once by the dispatcher as all others are: `delivered` is success."""
    check_url(body.url, services.check_address)
    begin = partial(services.database.as_tenant, key.tenant, writing=True)
    most = services.webhook_max_endpoints
    delivery = await send_test(begin, secret_box(services), key.tenant, body.url, services.now(), most)
    # all of it where it was written: what is read elsewhere may be a little older
    found = await outcome_of(begin, delivery, body.wait_seconds)
    async with begin() as connection:
        attempts = await attempts_of(connection, delivery)
    response.headers["Location"] = delivery_path(delivery)
    response.status_code = 202 if found.state is DeliveryState.PENDING else 200
    return delivery_detail(found, attempts)
