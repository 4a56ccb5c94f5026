"""What stands behind the `?` of an address: only what an operation knows, each once but for lists; and times as they must be written."""

import re
from collections import Counter
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import AwareDatetime, BeforeValidator

from producers.api.bodies import written_time
from producers.api.services import KeyDep
from producers.findings import MAX_FINDINGS
from schemas.errors import Rejected
from schemas.findings import MAX_NAME_CHARS, text_of
from schemas.nearest import unknown

_LOST_PLUS = re.compile(r"\d{2}:\d{2}(:\d{2}([.,]\d+)?)? \d{2}(:?\d{2})?")


async def _check(request: Request, _: KeyDep) -> None:
    """A misspelt name would be passed over and the answer be another one than was asked for; keys are checked first."""
    parameters = [each for each in _operation(request).get("parameters", ()) if each["in"] == "query"]
    known = {each["name"]: each["schema"].get("type") == "array" for each in parameters}
    found = []
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            found.append({"field": name[:MAX_NAME_CHARS], "message": unknown("parameter", name, known)})
        elif times > 1 and not known[name]:
            found.append({"field": name, "message": "is given more than once"})
    if found:
        raise Rejected("invalid_request", text_of(found), tuple(found[:MAX_FINDINGS]))


def _operation(request: Request) -> dict[str, Any]:
    """The operation as /openapi.json describes it, which is made once."""
    found: dict[str, Any] = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    return found


KnownParameters = Depends(_check)


def _with_plus(value: Any) -> Any:
    if isinstance(value, str) and _LOST_PLUS.search(value):
        raise ValueError("has a space where its offset begins: write + as %2B, or the time in UTC with Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_with_plus), BeforeValidator(written_time)]
"""A time with its offset; a `+` that is not written as %2B arrives as a space."""
