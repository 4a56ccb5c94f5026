"""Webhook endpoints of a tenant: registration ahead of use, changes, and reading and rotating their secrets."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from producers.api.problems import problem_responses
from producers.api.requests.cursor import MAX_CHARS, from_cursor, list_of, page_of, to_cursor
from producers.api.requests.ids import EndpointId
from producers.api.requests.media_types import BODY_CODES, StrictRoute
from producers.api.requests.query import Number
from producers.api.services import KeyDep, Services, ServicesDep
from producers.api.webhooks.views import (
    PATH,
    EndpointBody,
    EndpointChange,
    EndpointList,
    EndpointView,
    RotateBody,
    SecretView,
    endpoint_view,
)
from producers.jobs.webhooks import check_url, known_endpoint
from schemas.errors import Rejected
from sink.postgres.statement_timeout import limited
from sink.webhooks import endpoints
from sink.webhooks.secrets import SecretBox

router = APIRouter(prefix=f"{PATH}/endpoints", tags=["webhooks"], route_class=StrictRoute)
CODES = ("invalid_request", "unauthorized", "not_found")
REGISTERING = ("too_many_endpoints", "not_offered")
OWNERS_REASON = "disabled by its owner"
MAX_LISTED = 200


@router.post(
    "",
    operation_id="registerWebhookEndpoint",
    summary="Register an address for webhooks",
    status_code=201,
    responses={
        200: {"model": EndpointView, "description": "It was there"},
        **problem_responses(*CODES[:2], *BODY_CODES, *REGISTERING),
    },
)
async def register(body: EndpointBody, response: Response, services: ServicesDep, key: KeyDep) -> EndpointView:
    """A job's `webhook_url` is registered at its first use; doing so ahead shows its secret before anything is sent.

    The operator limits how many endpoints a tenant has. Those of jobs count, but no job is refused for that.
    """
    check_url(body.url, services.check_address)
    box = secret_box(services)
    async with services.database.as_tenant(key.tenant, writing=True) as connection:
        found, created = await endpoints.ensure_endpoint(
            connection, box, key.tenant, body.url, services.webhook_max_endpoints
        )
        await endpoints.change_endpoint(connection, found.endpoint_id, body.model_dump(exclude_unset=True))
        view = endpoint_view(await known_endpoint(connection, found.endpoint_id, key.tenant))
    response.status_code = 201 if created else 200
    response.headers["Location"] = view.links["self"]
    return view


@router.get(
    "",
    operation_id="listWebhookEndpoints",
    summary="All endpoints of the tenant, oldest first",
    responses=problem_responses(*CODES[:2], "search_too_broad"),
)
async def list_(
    services: ServicesDep,
    key: KeyDep,
    limit: Annotated[Number, Query(ge=1, le=MAX_LISTED, description="The most that one page holds.")] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_CHARS, description="From `next_cursor`.")] = None,
) -> EndpointList:
    """All endpoints of the tenant, also those that jobs named."""
    which = list_of("endpoints", key.tenant)
    after = from_cursor(cursor, which)
    async with services.database.as_tenant(key.tenant) as connection, limited(connection, services.query_seconds):
        found = await endpoints.list_endpoints(connection, key.tenant, after=after, limit=limit + 1)
    shown, last = page_of(found, limit)
    goes_on = last and to_cursor(which, last.created_at, last.endpoint_id)
    return EndpointList(endpoints=[endpoint_view(endpoint) for endpoint in shown], next_cursor=goes_on)


@router.get(
    "/{endpoint_id}",
    operation_id="getWebhookEndpoint",
    summary="How an endpoint stands",
    responses=problem_responses(*CODES),
)
async def read(endpoint_id: EndpointId, services: ServicesDep, key: KeyDep) -> EndpointView:
    """Whether it is enabled, and if not, why; since when it only fails; its limits."""
    async with services.database.as_tenant(key.tenant) as connection:
        return endpoint_view(await known_endpoint(connection, endpoint_id, key.tenant))


@router.patch(
    "/{endpoint_id}",
    operation_id="changeWebhookEndpoint",
    summary="Enable, disable or limit an endpoint",
    responses=problem_responses(*CODES, *BODY_CODES),
)
async def change(endpoint_id: EndpointId, body: EndpointChange, services: ServicesDep, key: KeyDep) -> EndpointView:
    """A disabled endpoint gets nothing; its deliveries are written down and can be sent again when it is enabled."""
    async with services.database.as_tenant(key.tenant, writing=True) as connection:
        await known_endpoint(connection, endpoint_id, key.tenant)
        changes = body.model_dump(exclude_unset=True)
        await endpoints.change_endpoint(connection, endpoint_id, changes)
        if "state" in changes:
            await endpoints.set_enabled(connection, endpoint_id, body.state == "enabled", OWNERS_REASON)
        return endpoint_view(await known_endpoint(connection, endpoint_id, key.tenant))


@router.delete(
    "/{endpoint_id}",
    operation_id="deleteWebhookEndpoint",
    summary="Forget an endpoint with its secrets and deliveries",
    status_code=204,
    responses=problem_responses(*CODES, "held"),
)
async def delete(endpoint_id: EndpointId, services: ServicesDep, key: KeyDep) -> None:
    """A job that names the address later registers it anew, with another secret. To get nothing, disable it."""
    async with services.database.as_tenant(key.tenant, writing=True) as connection:
        await known_endpoint(connection, endpoint_id, key.tenant)
        await endpoints.delete_endpoint(connection, endpoint_id)


@router.get(
    "/{endpoint_id}/secret",
    operation_id="getWebhookSecret",
    summary="The secret that verifies signatures",
    responses=problem_responses(*CODES, "not_offered"),
)
async def read_secret(endpoint_id: EndpointId, response: Response, services: ServicesDep, key: KeyDep) -> SecretView:
    """The newest one; during the overlap after a rotation every webhook is signed with the old one too."""
    box = secret_box(services)
    async with services.database.as_tenant(key.tenant) as connection:
        found = await known_endpoint(connection, endpoint_id, key.tenant)
        secret = await endpoints.read_secret(connection, box, endpoint_id)
    response.headers["Cache-Control"] = "no-store"
    return SecretView(secret=secret or "", old_secret_until=found.old_secret_until)


@router.post(
    "/{endpoint_id}/rotate-secret",
    operation_id="rotateWebhookSecret",
    summary="Make a new secret",
    responses=problem_responses(*CODES, *BODY_CODES, "not_offered"),
)
async def rotate_secret(
    endpoint_id: EndpointId, response: Response, services: ServicesDep, key: KeyDep, body: RotateBody | None = None
) -> SecretView:
    """The old one signs along for `overlap_seconds`, a day if nothing is said, so that receivers can change in peace."""
    box = secret_box(services)
    async with services.database.as_tenant(key.tenant, writing=True) as connection:
        await known_endpoint(connection, endpoint_id, key.tenant)
        overlap_seconds = (body or RotateBody()).overlap_seconds
        rotated = await endpoints.rotate_secret(connection, box, endpoint_id, overlap_seconds)
    if rotated is None:
        raise Rejected("not_found", f"webhook endpoint {endpoint_id}")
    response.headers["Cache-Control"] = "no-store"
    return SecretView(secret=rotated.secret, old_secret_until=rotated.old_secret_until)


def secret_box(services: Services) -> SecretBox:
    """The encryption of secrets; raises Rejected(not_offered) where the operator has set no key."""
    if services.secrets is None:
        raise Rejected("not_offered", "webhooks need SCRIBE_WEBHOOK_KEY, which is not set")
    return services.secrets
