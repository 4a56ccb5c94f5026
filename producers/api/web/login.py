"""Operations of the page's own login: a key in, a session out. What the page does then is REST as everybody's."""

from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from producers.api.jobs.bodies import Body
from producers.api.problems import Worded
from producers.api.requests.media_types import JSON, check_media_type
from producers.api.services import Services, ServicesDep
from producers.api.web.same_origin import check_same_origin
from producers.api.web.session_cookie import clear_cookie, session_of, set_cookie, token_of
from producers.inputs.strict_json import read_json
from producers.inputs.validation_errors import invalid
from schemas.models.registry import WHISPER_LANGUAGES
from schemas.tenants.scopes import Scope
from schemas.topics import GROUPS
from sink.tenants.sessions import Session, open_session

router = APIRouter(include_in_schema=False)
PATH = "/session"
_MAX_KEY_CHARS = 200
_PRIVATE = {"Cache-Control": "no-store"}
_WRONG_KEY = (
    "This key is not valid: it was mistyped, or it has been revoked. Ask whoever runs this service for another."
)


class LoginBody(Body):
    """The key to log in with."""

    key: str = Field(min_length=1, max_length=_MAX_KEY_CHARS)


@router.post(PATH)
async def log_in(request: Request, services: ServicesDep) -> Response:
    """Open a session, whose cookie holds neither the key nor anything that leads to it."""
    check_same_origin("POST", request.headers, services.public_url)
    check_media_type(request.headers, JSON)
    try:
        body = LoginBody.model_validate(read_json(await request.body()))
    except ValidationError as error:
        raise invalid(error, LoginBody) from error
    key = await services.keys.verify(services.database, body.key.strip())
    if key is None:
        raise Worded("unauthorized", _WRONG_KEY)
    token, session = await open_session(services.database, key)
    response = JSONResponse(_described(services, session), headers=_PRIVATE)
    set_cookie(response, token, services.public_url)
    return response


@router.get(PATH)
async def who_am_i(request: Request, services: ServicesDep) -> Response:
    """The session of the browser, and what the page must know before it asks: 200 with nulls where nobody is logged in."""
    session = await session_of(request, services.database, services.sessions, services.public_url)
    return JSONResponse(_described(services, session), headers=_PRIVATE)


@router.delete(PATH)
async def log_out(request: Request, services: ServicesDep) -> Response:
    """End the session, also for whoever may have copied its cookie."""
    check_same_origin("DELETE", request.headers, services.public_url)
    if token := token_of(request, services.public_url):
        await services.sessions.end(services.database, token)
    response = Response(status_code=204, headers=_PRIVATE)
    clear_cookie(response, services.public_url)
    return response


def _described(services: Services, session: Session | None) -> dict[str, object]:
    if session is None:
        return {"tenant": None, "expires_at": None}
    return {
        "tenant": session.key.tenant,
        "expires_at": _written(session.expires_at),
        "languages": sorted(WHISPER_LANGUAGES),
        "upload_max_bytes": services.upload_max_bytes,
        "enhanced_ai": services.llm_models is not None,
        "webhooks": services.secrets is not None,
        "operator": Scope.OPERATOR in session.key.scopes,
        "dead_letters": services.dead_letters is not None,
        "groups": [group.removeprefix("scribe.") for group in GROUPS],
    }


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
