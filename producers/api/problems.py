"""Error answers as problem details (RFC 9457), under /v1 in OpenAI's shape, whatever raised the error."""

import math
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from producers.api.openai.errors import CODES, error_of, is_openai, status_of
from producers.api.web.contract.registry_errors import MEDIA_TYPE as REGISTRY_MEDIA_TYPE
from producers.api.web.contract.registry_errors import is_registry, registry_problem
from producers.inputs.validation_errors import rejected
from schemas import metrics
from schemas.errors import ERRORS, Outage, Permanent, Rejected, Transient, sentences
from sink.postgres.database import NotMigrated

MEDIA_TYPE = "application/problem+json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
TYPE_PREFIX = "urn:scribe-rabbit:problem:"
RETRY_AFTER_SECONDS = 5
_CODE_OF_STATUS = {
    401: "unauthorized",
    403: "forbidden",
    413: "request_too_large",
}
_SAFE_IN_PATHS = "/:@!$&'()*+,;=~"


class FieldError(BaseModel):
    """A field and its error."""

    field: str
    message: str


class Problem(BaseModel):
    """An error: `code` is stable and for programs, `detail` describes what was found and what to do."""

    type: str = Field(examples=[TYPE_PREFIX + "unknown_model"])
    title: str = Field(examples=[ERRORS["unknown_model"].title])
    status: int = Field(examples=[422])
    detail: str = Field(examples=[ERRORS["unknown_model"].advice])
    instance: str = Field(examples=["/api/v1/transcribe"])
    code: str = Field(examples=["unknown_model"])
    kind: str = Field(examples=["request"], description="Whose move it is.")
    errors: list[FieldError] = []
    request_id: str = Field(examples=["3f0c9a52b7d14e0c"])


class Worded(Rejected):
    """An error whose detail includes its own advice."""


class RetryLater(Rejected):
    """Error: refused for now; `headers` say after how many seconds another try is worth while."""

    def __init__(self, code: str, detail: str, seconds: float) -> None:
        super().__init__(code, detail)
        self.seconds = max(1, math.ceil(seconds))
        self.headers = {"Retry-After": str(self.seconds)}


class JobFailed(Worded):
    """Error: the requested result does not exist because the job failed; has the job's own error, always as 409."""

    status = 409


def problem_responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation, for the OpenAPI document; one that takes a key may refuse the key's scopes."""
    described: dict[int | str, dict[str, Any]] = {}
    of_keys = _OF_KEYS if "unauthorized" in codes else ()
    for code in dict.fromkeys((*codes, *of_keys, "unavailable", "internal")):
        spec = ERRORS[code]
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        known = described.setdefault(spec.status, {"description": "", CODES: [], "content": content})
        known["description"] += f"{'; ' if known['description'] else ''}`{code}`: {spec.title}"
        known[CODES].append(code)
    return described


_OF_KEYS = ("forbidden", "cross_site", "rate_limited")


def problem_example(code: str) -> dict[str, Any]:
    """The answer to an error with a code, for the OpenAPI document."""
    return _described(Permanent(code), "/api/v1/transcribe", "3f0c9a52b7d14e0c").model_dump()


def problem(request: Request, error: Permanent, **headers: str) -> JSONResponse:
    """The answer to an error."""
    # not `request.url`, which takes its host from the client
    path = request.scope["path"]
    body = problem_document(request, error)
    if (seconds := retry_seconds(error)) is not None:
        headers.setdefault("Retry-After", str(seconds))
    if error.code == "unauthorized":
        headers["WWW-Authenticate"] = "Bearer" if is_openai(path) else 'ApiKey header="X-API-Key"'
    status, media_type, content = _shaped(error, body, path)
    return JSONResponse(content.model_dump(), status, headers, media_type=media_type)


def retry_seconds(error: Permanent) -> int | None:
    """The seconds after which another try is worth while, None for an error that stays as it is."""
    if isinstance(error, RetryLater):
        return error.seconds
    passes = error.spec.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
    return RETRY_AFTER_SECONDS if passes else None


def problem_document(request: Request, error: Permanent) -> Problem:
    """The description of an error; it is counted."""
    return _document(error, quote(request.scope["path"], safe=_SAFE_IN_PATHS), request.scope.get("request_id", ""))


def framing_problem(error: Permanent, path: str = "") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer for servers that write it themselves; `path` is empty where none was read."""
    document = _document(error, quote(path, safe=_SAFE_IN_PATHS), secrets.token_hex(8))
    status, media_type, content = _shaped(error, document, path)
    body = content.model_dump_json().encode()
    headers = {"content-type": media_type, "content-length": str(len(body)), "x-request-id": document.request_id}
    return status, headers, body


def _shaped(error: Permanent, document: Problem, path: str) -> tuple[int, str, BaseModel]:
    """Status, media type and content of an answer, in the shape that clients of an address understand."""
    if is_registry(path):
        return document.status, REGISTRY_MEDIA_TYPE, registry_problem(error, document.status)
    if not is_openai(path):
        return document.status, MEDIA_TYPE, document
    status = status_of(error.code, document.status)
    return status, "application/json", error_of(error, message_of(error), status)


def message_of(error: Permanent) -> str:
    """All that there is to say of an error, in one text."""
    return error.detail if isinstance(error, Worded) and error.detail else error.message


def _document(error: Permanent, instance: str, request_id: str) -> Problem:
    metrics.HTTP_PROBLEMS.labels(error.code).inc()
    return _described(error, instance, request_id)


def _described(error: Permanent, instance: str, request_id: str) -> Problem:
    spec = error.spec
    return Problem(
        type=TYPE_PREFIX + error.code,
        title=spec.title,
        status=getattr(error, "status", spec.status),
        detail=_detail(error),
        instance=instance,
        code=error.code,
        kind=spec.kind,
        errors=[FieldError(**item) for item in getattr(error, "errors", ())],
        request_id=request_id,
    )


def install(app: FastAPI) -> None:
    """Install handlers that answer every error of the application."""

    @app.exception_handler(Permanent)
    async def _permanent(request: Request, error: Permanent) -> JSONResponse:
        return problem(request, error, **getattr(error, "headers", {}))

    @app.exception_handler(Outage)
    @app.exception_handler(Transient)
    async def _away(request: Request, error: Exception) -> JSONResponse:
        request.scope["outage"] = str(error)
        # the operator who looks at /readyz can put this one right; clients learn no addresses from it
        seen = str(error) if isinstance(error, NotMigrated) else ""
        return problem(request, Rejected("unavailable", seen))

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return problem(request, rejected(error.errors(), _body_of(request)))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return wrong_method(request)
        if request.method == "OPTIONS" and request.scope["path"] == "*":  # of the server as a whole
            return _options(METHODS)
        if error.status_code == HTTPStatus.NOT_FOUND:  # ours are Rejected, so this is the router's
            return problem(
                request, Worded("not_found", "No operation has this address. See /docs for those there are.")
            )
        code = _CODE_OF_STATUS.get(error.status_code, "invalid_request" if error.status_code < 500 else "internal")
        detail = "" if error.detail == HTTPStatus(error.status_code).phrase else str(error.detail)
        return problem(request, Rejected(code, detail), **dict(error.headers or {}))


def _body_of(request: Request) -> type[BaseModel] | None:
    """The model of the operation's body, None where it has none."""
    field = getattr(request.scope.get("route"), "body_field", None)
    found = field.field_info.annotation if field else None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def wrong_method(request: Request) -> Response:
    """The answer to a method that the address does not support, and to OPTIONS."""
    methods = methods_of(request)
    if request.method == "OPTIONS":
        return _options(methods)
    allow = ", ".join(methods)
    return problem(request, Rejected("method_not_allowed", f"there are {allow}"), Allow=allow)


def _options(methods: Iterable[str]) -> Response:
    return Response(status_code=HTTPStatus.NO_CONTENT, headers={"Allow": ", ".join(methods)})


def methods_of(request: Request) -> list[str]:
    """Every method that an address supports."""
    routes = request.app.router.routes
    found = {
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    }
    # what answers GET answers HEAD, and OPTIONS is answered here
    found |= {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())
    return [method for method in METHODS if method in found]


def _detail(error: Permanent) -> str:
    if isinstance(error, Worded) and error.detail:
        return error.detail
    return sentences(error.detail, error.spec.advice) if error.detail else error.spec.advice
