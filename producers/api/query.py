"""What stands behind the `?` of an address: only what an operation knows, each once; and times as they must be written."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BeforeValidator

from producers.findings import MAX_FINDINGS
from schemas.errors import Rejected

MAX_NAME_CHARS = 64
Known = Mapping[Callable[..., Any], Sequence[str]]
_LOST_PLUS = re.compile(r"\d{2}:\d{2}(:\d{2}([.,]\d+)?)? \d{2}(:?\d{2})?")


def known_parameters(routers: Iterable[APIRouter]) -> Known:
    """What each operation of `routers` takes, by its handler, as the signatures say."""
    routes = (route for router in routers for route in router.routes if isinstance(route, APIRoute))
    return {route.endpoint: tuple(_names(route.dependant)) for route in routes}


def check_parameters(request: Request) -> None:
    """Raise Rejected for what an operation does not know: passed over, the answer would be another one than was asked for."""
    if request.scope["query_string"]:
        known: Known = request.app.state.parameters
        _check(request.query_params.multi_items(), known[request.scope["endpoint"]])


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names(inner)


def _check(given: Iterable[tuple[str, str]], known: Sequence[str]) -> None:
    found = []
    for name, times in Counter(name for name, _ in given).items():
        if name not in known:
            there = f"there are {', '.join(known)}" if known else "there are none"
            found.append({"field": name[:MAX_NAME_CHARS], "message": f"is no parameter of this operation: {there}"})
        elif times > 1:
            found.append({"field": name, "message": "is given more than once"})
    if found:
        text = "; ".join(f"{item['field']}: {item['message']}" for item in found)
        raise Rejected("invalid_request", text, tuple(found[:MAX_FINDINGS]))


def _with_plus(value: Any) -> Any:
    if isinstance(value, str) and _LOST_PLUS.search(value):
        raise ValueError("has a space where its offset begins: write + as %2B, or the time in UTC with Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_with_plus)]
"""A time with its offset; a `+` that is not written as %2B arrives as a space."""
