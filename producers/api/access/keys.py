"""The operations that make, list and revoke API keys."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, BaseModel, Field

from producers.api.jobs.bodies import Body, Time
from producers.api.problems import problem_responses
from producers.api.requests.media_types import BODY_CODES, StrictRoute
from producers.api.services import KEYS, KeyDep, ServicesDep
from producers.inputs.validation_errors import refused
from schemas.errors import Permanent, Rejected
from schemas.requests.limits import MAX_ID_CHARS
from schemas.tenants.quotas import MAX_REQUESTS_PER_MINUTE
from schemas.tenants.scopes import MEANINGS, USUAL, Scope, check_grant
from schemas.wire.object_keys import TENANT, check_tenant
from sink.tenants.api_keys import ApiKey, KeyInfo, create_key, list_keys, parse_key, revoke_key

router = APIRouter(prefix="/api/v1/keys", tags=[KEYS], route_class=StrictRoute)
MAX_LABEL_CHARS = 200
_SCOPES = "; ".join(f"`{scope}`: {meaning}" for scope, meaning in MEANINGS.items())
_Scope = Annotated[Scope, Field(strict=False)]


def _tenant_name(value: str) -> str:
    try:
        check_tenant(value)
    except Permanent as error:
        raise ValueError(error.detail) from None
    return value


_Tenant = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS), AfterValidator(_tenant_name)]


class KeyBody(Body):
    """The key to be made."""

    tenant: _Tenant | None = Field(None, description="Whose key it is; absent: the tenant of the key that asks.")
    label: str = Field(
        "", max_length=MAX_LABEL_CHARS, pattern=r"^[^\x00-\x1f]*$", description="A note, such as who has the key."
    )
    scopes: list[_Scope] = Field(
        [scope for scope in Scope if scope in USUAL], min_length=1, max_length=len(Scope), description=_SCOPES
    )
    expires_at: Time | None = Field(None, description="When it stops working; absent: when it is revoked.")
    requests_per_minute: int | None = Field(
        None,
        ge=1,
        le=MAX_REQUESTS_PER_MINUTE,
        description="Requests that it may make a minute, without the scope `operator` no more than the key that asks;"
        " absent: the own limit of that key, else as many as the service allows every key.",
    )


class KeyView(BaseModel):
    """A key without its secret, which is not stored."""

    key_id: str = Field(examples=["3T9cKq0wZr5L"])
    tenant: str
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    requests_per_minute: int | None = Field(description="Null: as many as the service allows every key.")


class NewKey(BaseModel):
    """A new key, whose text is shown this once."""

    key: str = Field(description="What `X-API-Key` takes.")
    key_id: str
    tenant: str
    label: str
    scopes: list[str]
    expires_at: datetime | None
    requests_per_minute: int | None


class KeyList(BaseModel):
    """The keys of a tenant, oldest first, with those that work no more."""

    keys: list[KeyView]


@router.post(
    "",
    operation_id="createKey",
    summary="Make a key",
    status_code=201,
    responses=problem_responses("invalid_request", "unauthorized", "forbidden", *BODY_CODES),
)
async def create(body: KeyBody, response: Response, services: ServicesDep, key: KeyDep) -> NewKey:
    """Needs the scope `admin`, and `operator` for another tenant, or for a higher rate. The key works at once."""
    tenant = body.tenant or key.tenant
    check_grant(key.scopes, key.tenant, tenant, body.scopes)
    if body.expires_at is not None and body.expires_at <= services.now():
        raise refused([(("body", "expires_at"), "must be in the future")])
    scopes = frozenset(body.scopes)
    rate = _granted_rate(key, body.requests_per_minute, services.requests_per_minute)
    text = await create_key(services.database, tenant, body.label, scopes, body.expires_at, rate)
    key_id, _ = parse_key(text) or ("", "")
    response.headers["Location"] = f"{router.prefix}/{key_id}"
    response.headers["Cache-Control"] = "no-store"
    return NewKey(
        key=text,
        key_id=key_id,
        tenant=tenant,
        label=body.label,
        scopes=sorted(scopes),
        expires_at=body.expires_at,
        requests_per_minute=rate,
    )


@router.get(
    "",
    operation_id="listKeys",
    summary="The keys of a tenant",
    responses=problem_responses("invalid_request", "unauthorized", "forbidden"),
)
async def list_(
    services: ServicesDep,
    key: KeyDep,
    tenant: Annotated[
        str | None, Query(pattern=TENANT.pattern, description="Whose keys; absent: the own ones.")
    ] = None,
) -> KeyList:
    """Needs the scope `admin`, and `operator` for another tenant."""
    check_grant(key.scopes, key.tenant, tenant or key.tenant)
    return KeyList(keys=[_view(found) for found in await list_keys(services.database, tenant or key.tenant)])


@router.delete(
    "/{key_id}",
    operation_id="revokeKey",
    summary="Revoke a key",
    status_code=204,
    responses=problem_responses("invalid_request", "unauthorized", "forbidden", "not_found"),
)
async def revoke(
    key_id: Annotated[
        str,
        Path(pattern="^[0-9A-Za-z]+$", max_length=MAX_ID_CHARS, description="The id of the key, not its text."),
    ],
    services: ServicesDep,
    key: KeyDep,
) -> None:
    """Needs the scope `admin`, and `operator` for another tenant, and for a key with that scope.

    The key works for five more seconds at most.
    """
    check_grant(key.scopes, key.tenant, key.tenant)
    of_tenant = None if Scope.OPERATOR in key.scopes else key.tenant
    if not await revoke_key(services.database, key_id, of_tenant):
        raise Rejected("not_found", "no key of this id that you may revoke still works")


def _granted_rate(maker: ApiKey, wanted: int | None, usual: int) -> int | None:
    """The requests a minute of a new key; raises Rejected for more than its maker has, `usual` where it has no own ones."""
    if Scope.OPERATOR in maker.scopes:
        return wanted
    most = maker.requests_per_minute or usual
    if wanted is not None and most and wanted > most:
        raise refused([(("body", "requests_per_minute"), f"must be at most {most}, the limit of the key that asks")])
    return wanted or maker.requests_per_minute


def _view(key: KeyInfo) -> KeyView:
    return KeyView(**asdict(key))
