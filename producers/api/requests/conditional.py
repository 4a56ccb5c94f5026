"""Conditional requests (RFC 9110, section 13): whoever has an answer already is told so instead of being sent it again."""

import hashlib
import re
from http import HTTPStatus
from typing import Any

import anyio.to_thread
from fastapi import Request, Response

from producers.api.http.middleware import EVENT_STREAM

IF_NONE_MATCH, IF_MATCH = "If-None-Match", "If-Match"
_KEPT_HEADERS = ("cache-control", "content-location", "etag", "expires", "retry-after", "vary")
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LARGE = 262_144  # bytes that one may hash while other requests wait


async def conditional(request: Request, response: Response) -> Response:
    """The answer to a GET with its entity tag, or 304 without a body where the client has the same one."""
    body = getattr(response, "body", None)  # streams have none
    if request.method != "GET" or response.status_code != HTTPStatus.OK or not isinstance(body, bytes):
        return response
    tag = response.headers.get("etag", "").strip('"')  # of what says itself of what it is an answer
    if not tag:
        tag = tag_of(body) if len(body) < _LARGE else await anyio.to_thread.run_sync(tag_of, body)
    response.headers["ETag"] = f'"{tag}"'
    # answers of one key only, and never shown without asking first
    response.headers.setdefault("Cache-Control", "private, no-cache")
    if not is_known(request.headers.getlist(IF_NONE_MATCH), tag):
        return response
    kept = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=kept)


def tag_of(body: bytes) -> str:
    """The entity tag of an answer: equal for equal bytes, whichever process gives it."""
    return hashlib.blake2b(body, digest_size=12).hexdigest()


def is_known(lines: list[str], tag: str) -> bool:
    """Whether the lines of If-None-Match name a tag, in its weak form too, or any by `*`."""
    return ",".join(lines).strip() == "*" or tag in tags_in(lines)


def tags_in(lines: list[str]) -> list[str]:
    """The tags that the lines of If-Match or If-None-Match name, without quotation marks and weakness."""
    found: list[str] = _TAG.findall(",".join(lines))
    return found


def describe(document: dict[str, Any], prefix: str) -> None:
    """Add the header and the answer to every GET below a prefix of an OpenAPI document that can say 304: all but streams."""
    for path, operations in document["paths"].items():
        operation = operations.get("get")
        if operation is None or not path.startswith(prefix) or EVENT_STREAM in operation["responses"]["200"]["content"]:
            continue
        operation.setdefault("parameters", []).append(_PARAMETER)
        operation["responses"]["200"].setdefault("headers", {})["ETag"] = _ETAG
        operation["responses"]["304"] = {"description": "As you have it", "headers": {"ETag": _ETAG}}


_ETAG = {"description": "A tag that changes with the answer.", "schema": {"type": "string"}}
_PARAMETER = {
    "name": IF_NONE_MATCH,
    "in": "header",
    "required": False,
    "schema": {
        "type": "string",
        "description": "The ETag of an answer that you have: 304 without a body when it would be the same.",
    },
}
