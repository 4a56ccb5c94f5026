"""Media types of request bodies: each operation reads only the type it declares, and never guesses."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers

from producers.api.requests.conditional import conditional
from producers.api.requests.disposition import repeated
from producers.api.services import authenticate
from producers.inputs.strict_json import read_json
from producers.inputs.validation_errors import refused
from schemas.errors import Rejected

JSON = "application/json"
FORM = "multipart/form-data"
LINES = "application/x-ndjson"
BODY_CODES = ("request_too_large", "unsupported_media_type")  # what an operation with a body may answer for its sake
_UTF_8 = (b"utf-8", b"utf8")
_UNREADABLE = "unreadable_body"


class UnsupportedMediaType(Rejected):
    """Error: a body of an unsupported media type; the answer's headers name the supported one."""

    def __init__(self, field: str, message: str, **headers: str) -> None:
        self.headers = headers
        super().__init__("unsupported_media_type", f"{field} {message}", ({"field": field, "message": message},))


class StrictRequest(Request):
    """A request whose JSON is read strictly; errors in it are reported after the API key has been checked."""

    async def json(self) -> Any:
        """The body, or None with the error kept for `CheckedBody`, since FastAPI would replace an error raised here."""
        try:
            return read_json(await self.body())
        except Rejected as error:
            self.scope[_UNREADABLE] = error
            return None


class StrictRoute(APIRoute):
    """A route with a `StrictRequest`: it reads a body only with a valid API key and the right media type.

    What it answers to GET has an entity tag.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI calls for a request."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if self.body_field is not None:
                await authenticate(request)
                if _has_body(request.headers):
                    check_media_type(request.headers, JSON)
            return await conditional(request, await handle(StrictRequest(request.scope, request.receive)))

        return strict


async def _check(request: Request) -> None:
    """Raise the error of an unreadable body, and reject a body where an operation takes none."""
    if not _has_body(request.headers):
        return
    await authenticate(request)
    if (error := request.scope.get(_UNREADABLE)) is not None:
        raise error
    route = request.scope["route"]
    # what takes a form checks its header itself, and reads it itself
    takes_one = route.body_field is not None or "requestBody" in (route.openapi_extra or {})
    if not takes_one and await _says_something(request):
        raise refused([(("body",), "this operation takes none")])


async def _says_something(request: Request) -> bool:
    if "transfer-encoding" not in request.headers:
        return True
    async for piece in request.stream():
        if piece:
            return True
    return False


CheckedBody = Depends(_check)


def check_media_type(headers: Headers, taken: str) -> None:
    """Raise UnsupportedMediaType unless a body has the media type `taken`, without encoding and in UTF-8."""
    given = headers.getlist("content-type")
    if len(given) != 1:
        said = "is given more than once" if given else "is missing"
        raise UnsupportedMediaType("Content-Type", f"{said}; it must be {taken}", Accept=taken)
    kind, options = parse_options_header(given[0])
    if kind != taken.encode():
        raise UnsupportedMediaType("Content-Type", f"must be {taken}", Accept=taken)
    if twice := repeated(given[0].encode("latin-1")):
        raise UnsupportedMediaType(
            "Content-Type", f"must be {taken}, and {twice} is given in it more than once", Accept=taken
        )
    if options.get(b"charset", b"utf-8").lower() not in _UTF_8:
        raise UnsupportedMediaType("Content-Type", f"must be {taken} with the charset utf-8, or none", Accept=taken)
    _check_codings(headers)


def _check_codings(headers: Headers) -> None:
    if _tokens(headers, "content-encoding") - {"identity"}:
        raise UnsupportedMediaType("Content-Encoding", "must be identity: send the body as it is", **_PLAIN)
    if _tokens(headers, "transfer-encoding") - {"chunked", "identity"}:
        raise UnsupportedMediaType("Transfer-Encoding", "must be chunked and nothing else", **_PLAIN)


_PLAIN = {"Accept-Encoding": "identity"}


def _tokens(headers: Headers, name: str) -> set[str]:
    return {token.strip().lower() for line in headers.getlist(name) for token in line.split(",")} - {""}


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip("0") != ""
