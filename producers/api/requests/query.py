"""Query parameters: only those an operation knows, each once except for lists, and times in the required notation."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Annotated, Any, get_args, get_origin
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BeforeValidator

from producers.api.jobs.bodies import written_flag, written_number, written_time
from producers.inputs.validation_errors import MAX_FINDINGS, refused
from schemas.errors import Rejected
from schemas.models.registry import WHISPER_LANGUAGES
from schemas.vocabulary.findings import MAX_NAME_CHARS, text_of
from schemas.vocabulary.nearest import nearest, unknown

Known = Mapping[Callable[..., Any], Mapping[str, bool]]
"""The parameters of each operation, by its handler, and whether each is a list, which may be there several times."""
_LOST_PLUS = re.compile(r"\d{2}:\d{2}(:\d{2}([.,]\d+)?)? \d{2}(:?\d{2})?")
_WRITTEN_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def known_parameters(routers: Iterable[APIRouter]) -> Known:
    """The parameters of each operation of `routers`, from their signatures."""
    routes = (route for router in routers for route in router.routes if isinstance(route, APIRoute))
    return {route.endpoint: dict(_names(route.dependant)) for route in routes}


def check_parameters(request: Request) -> None:
    """Raise Rejected for unknown query parameters: if they were ignored, the answer would not be the requested one."""
    if query := request.scope["query_string"]:
        _check_text(query)
        known: Known = request.app.state.parameters
        _check(request.query_params.multi_items(), known[request.scope["endpoint"]])


def _check_text(query: bytes) -> None:
    """Raise Rejected for bytes that are not UTF-8, which would otherwise be read as replacement characters."""
    if not _is_text(query):
        wrong = next(pair for pair in query.split(b"&") if not _is_text(pair))
        name = unquote_to_bytes(wrong.partition(b"=")[0]).decode(errors="replace")
        raise refused([(("query", name), "is not UTF-8")])


def _is_text(encoded: bytes) -> bool:
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return False
    return True


def _names(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Each parameter and whether it is a list, which may occur several times."""
    yield from ((parameter.alias, _is_list(parameter.field_info.annotation)) for parameter in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names(inner)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(map(_is_list, get_args(annotation)))


def _check(given: Iterable[tuple[str, str]], known: Mapping[str, bool]) -> None:
    found: list[dict[str, str]] = []
    for name, times in Counter(name for name, _ in given).items():
        if len(found) == MAX_FINDINGS:  # to look for what was meant takes its time
            break
        if name not in known:
            found.append({"field": name[:MAX_NAME_CHARS], "message": unknown("parameter", name, known)})
        elif times > 1 and not known[name]:
            found.append({"field": name, "message": "is given more than once"})
    if found:
        raise Rejected("invalid_request", text_of(found), tuple(found))


def known_language(given: str) -> str:
    """A valid language of transcripts; raises ValueError for any other text."""
    if given not in WHISPER_LANGUAGES:
        listed = f"must be one of {', '.join(sorted(WHISPER_LANGUAGES))}"
        raise ValueError(unknown("language", given, WHISPER_LANGUAGES) if nearest(given, WHISPER_LANGUAGES) else listed)
    return given


def _with_plus(value: Any) -> Any:
    if isinstance(value, str) and _LOST_PLUS.search(value):
        raise ValueError("has a space where its offset begins: write + as %2B, or the time in UTC with Z")
    return value


def written_day(value: Any) -> Any:
    """A day in the required notation: a number, also as text, could be seconds or milliseconds of some clock."""
    if isinstance(value, str) and not _WRITTEN_DAY.fullmatch(value):
        raise ValueError("must be written as a day, such as 2030-01-31")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(written_time), BeforeValidator(_with_plus)]
"""A time with its offset; a `+` that is not written as %2B arrives as a space."""
Day = Annotated[date, BeforeValidator(written_day)]
Number = Annotated[int, BeforeValidator(written_number)]
Flag = Annotated[bool, BeforeValidator(written_flag)]
