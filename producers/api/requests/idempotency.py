"""The Idempotency-Key header: a request that is repeated with its key creates nothing new.

The id of the created object is derived from tenant and key, so that a repeat finds the first object, and the rules for
a repeated id apply. Keys are not stored: a key is known as long as the object that it created exists.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID, uuid5

from fastapi import Depends, Header, Request
from fastapi.dependencies.models import Dependant

from producers.api.services import authenticate
from producers.inputs.validation_errors import refused
from schemas.errors import Permanent, Rejected
from schemas.vocabulary.nearest import nearest

HEADER = "Idempotency-Key"
MAX_CHARS = 255
JOB, BULK_JOB, ENHANCEMENT = "job", "bulk job", "enhancement"  # what keys make
CODES = ("idempotency_key_reused",)
_NAMESPACE = UUID("3b0e8f1c-6d0d-5c57-9a54-0f2b9d0c7f5e")
# as a string of structured fields (RFC 9651), or bare as most clients send it
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x7e][\x21-\x7e]*")
_LIKE_IT = re.compile("idem|poten")  # what is like no part of it is not compared, which takes its time
_UNQUOTED = re.compile(r"[\x20-\x7e]+")
_QUOTE = 'must stand in quotation marks when it has blanks or begins with one, such as "a b", with \\" and \\\\ within'
_FORM = f"must be 1 to {MAX_CHARS} printable ASCII characters, such as a UUID"


def read_key(lines: list[str]) -> str | None:
    """The key in the header's lines, None when there is none; raises Rejected(invalid_request)."""
    if not lines:
        return None
    if len(lines) > 1:
        raise _wrong("is given more than once")
    text = lines[0].strip()
    if quoted := _QUOTED.fullmatch(text):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _BARE.fullmatch(text):
        key = text
    else:
        raise _wrong(_QUOTE if _UNQUOTED.fullmatch(text) else _FORM)
    if not 0 < len(key) <= MAX_CHARS:
        raise _wrong(_FORM)
    return key


def id_of(tenant: str, kind: str, key: str) -> UUID:
    """The id of the object that a tenant's key creates; each kind of object has its own keys."""
    return uuid5(_NAMESPACE, "\n".join((kind, tenant, key)))


def chosen_id(key: str | None, tenant: str, kind: str, own: UUID | None, field: str) -> UUID | None:
    """The id that a request gives by its key or in its body; raises Rejected(invalid_request) when it gives both."""
    if key is None:
        return own
    if own is not None:
        raise _wrong(f"goes without {field}, which makes a repeat harmless as well: send one of the two")
    return id_of(tenant, kind, key)


@contextmanager
def reuse_told(key: str | None, what: str) -> Iterator[None]:
    """Replaces the conflict of an id that was derived from a key by an error about the key."""
    try:
        yield
    except Permanent as error:
        if key is None or error.code != "conflict":
            raise
        raise Rejected("idempotency_key_reused", f"the {what} that it made is another one, or was erased") from error


async def _read(
    request: Request,
    _: Annotated[
        str | None,
        Header(
            alias=HEADER,
            description=f"Makes the request harmless to send again: the same key is the same thing. 1 to {MAX_CHARS} printable ASCII characters, in quotation marks when there are blanks among them.",
            examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
        ),
    ] = None,
) -> str | None:
    await authenticate(request)
    return read_key(request.headers.getlist(HEADER))


IdempotencyKey = Annotated[str | None, Depends(_read)]


async def _check(request: Request) -> None:
    """Rejects a key in a POST that would ignore it and act twice; other methods are idempotent anyway."""
    if request.method != "POST":
        return
    await authenticate(request)
    for name in request.headers:
        if name != HEADER.lower() and _LIKE_IT.search(name) and nearest(name.removeprefix("x-"), [HEADER]):
            raise refused([(("header", name), f"is not known: write {HEADER}")])
    if HEADER in request.headers and not _is_read_by(request.scope["route"].dependant):
        raise _wrong("is not known to this operation: leave it out")


CheckedIdempotencyKey = Depends(_check)


def _is_read_by(dependant: Dependant) -> bool:
    return any(dependency.call is _read for dependency in dependant.dependencies)


def _wrong(message: str) -> Rejected:
    return refused([(("header", HEADER), message)])
