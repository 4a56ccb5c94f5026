"""The key of a request under /v1: as a bearer token, or in the header of the other operations."""

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from producers.api.services import KEY_HEADER, KEY_IN_SCOPE, Services, credentials_in
from schemas.errors import Rejected
from schemas.tenants.scopes import Scope, check_scope, scope_for
from sink.tenants.api_keys import ApiKey

_HEADER = "Authorization"
_SCHEME = "bearer"


async def authenticate(request: Request) -> ApiKey:
    """The API key of a request, which is then kept for it; raises Rejected(unauthorized)."""
    services: Services = request.app.state.services
    texts = {text for text in (_bearer(request), credentials_in(request, KEY_HEADER)) if text is not None}
    if len(texts) > 1:
        raise Rejected("unauthorized", f"{_HEADER} and {KEY_HEADER} hold different keys: send one of the two")
    key = await services.keys.verify(services.database, texts.pop()) if texts else None
    if key is None:
        raise Rejected("unauthorized")
    # whoever hands in a recording here is told what is said in it
    check_scope(key.scopes, Scope.READ, scope_for(request.method))
    await services.count_request(request, key)
    request.scope[KEY_IN_SCOPE] = key
    return key


def _bearer(request: Request) -> str | None:
    line = credentials_in(request, _HEADER)
    if line is None:
        return None
    scheme, _, text = line.partition(" ")
    if scheme.lower() != _SCHEME:
        raise Rejected("unauthorized", f"{_HEADER} must be Bearer and a key")
    return text.strip()


class _BearerKey(HTTPBearer):
    """The header of the key in the OpenAPI document, and its check."""

    async def __call__(self, request: Request) -> ApiKey:  # type: ignore[override]
        return await authenticate(request)


Authenticated = Security(_BearerKey(scheme_name="Bearer", description="A key made with `scribe keys create`."))
BearerDep = Annotated[ApiKey, Authenticated]
