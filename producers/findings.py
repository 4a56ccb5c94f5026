"""What pydantic found wrong, as one error that names every field. Pure."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from pydantic import ValidationError

from schemas.errors import Rejected

MAX_FINDINGS = 50
MAX_NAME_CHARS = 64  # of a name that a client made up, told back
MAX_PARTS = 8  # of the way to a field


def rejected(items: Iterable[Mapping[str, Any]]) -> Rejected:
    """The error for pydantic's findings; the values themselves are not repeated, they may be secret."""
    errors = tuple(_finding(item) for item in islice(items, MAX_FINDINGS))
    return Rejected("invalid_request", "; ".join(f"{e['field']}: {e['message']}" for e in errors[:10]), errors)


def invalid(error: ValidationError) -> Rejected:
    """The same for a model that was filled by hand."""
    return rejected(error.errors(include_url=False, include_input=False))


def _finding(item: Mapping[str, Any]) -> dict[str, str]:
    if item["type"] == "json_invalid":
        return {"field": "body", "message": f"is not JSON: {item['ctx']['error']} at character {item['loc'][-1]}"}
    return {"field": _field(item["loc"]), "message": str(item["msg"]).removeprefix("Value error, ")}


def _field(location: Iterable[str | int]) -> str:
    """`body.metadata.crm` as `metadata.crm`; the whole body as `body`."""
    parts = [str(part) for part in location]
    if len(parts) > 1 and parts[0] in ("body", "query", "path", "header"):
        parts = parts[1:]
    return ".".join(_shown(part) for part in parts[:MAX_PARTS]) or "body"


def _shown(name: str) -> str:
    """A name that an answer can carry, whoever wrote it."""
    return name[:MAX_NAME_CHARS].encode(errors="replace").decode()


def refused(found: Iterable[tuple[Iterable[str | int], str]]) -> Rejected:
    """The error for places, such as ("body", "url"), and what is wrong at each."""
    return rejected({"type": "refused", "loc": tuple(place), "msg": message} for place, message in found)
