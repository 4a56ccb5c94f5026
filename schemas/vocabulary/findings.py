"""Pydantic's validation errors as a field and a message. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from schemas.vocabulary.nearest import unknown

MAX_NAME_CHARS = 64  # of a name that a client made up, told back
MAX_PARTS = 8  # of the way to a field
_PLACES = ("body", "query", "path", "header")
Model = type[BaseModel]


def text_of(errors: Iterable[Mapping[str, str]]) -> str:
    """Validation errors in one line; those about unknown names get our own wording."""
    return "; ".join(
        e["message"] if e["message"].startswith("unknown ") else f"{e['field']}: {e['message']}" for e in errors
    )


def finding(item: Mapping[str, Any], model: Model | None = None) -> dict[str, str]:
    """The field and message of a validation error; `model` is the model of the values, which knows the valid fields."""
    if item["type"] == "json_invalid":
        return {"field": "body", "message": f"is not JSON: {item['ctx']['error']} at character {item['loc'][-1]}"}
    field = _field(item["loc"])
    if item["type"] == "extra_forbidden":
        return {"field": field, "message": unknown("field", str(item["loc"][-1]), _names(model, item["loc"][:-1]))}
    if item["loc"] and item["loc"][-1] == "[key]":
        # a name within is empty, or has no place in an answer: what has it is named
        return {"field": _field(item["loc"][:-2]), "message": f"a key {_message(item)}"}
    return {"field": field, "message": _message(item)}


def _message(item: Mapping[str, Any]) -> str:
    limits = item.get("ctx") or {}
    match item["type"]:
        case "missing" if tuple(item["loc"]) == ("body",):
            return "a JSON body is missing"
        case "too_long":
            return f"must have at most {limits['max_length']} items"
        case "string_too_short" if item["loc"][-1] == "[key]" and limits["min_length"] == 1:
            return "must not be empty"
        case "string_too_long" if item["loc"][-1] == "[key]":
            return f"must have at most {limits['max_length']} characters"
    return str(item["msg"]).removeprefix("Value error, ")


def _field(location: Iterable[str | int]) -> str:
    """`body.metadata.crm` as `metadata.crm`; the whole body as `body`."""
    parts = [str(part) for part in location]
    if len(parts) > 1 and parts[0] in _PLACES:
        parts = parts[1:]
    return ".".join(_shown(part) for part in parts[:MAX_PARTS]) or "body"


def _shown(name: str) -> str:
    """A name made safe for a response, since it may be untrusted."""
    return name[:MAX_NAME_CHARS].encode(errors="replace").decode()


def _names(model: Model | None, location: Sequence[str | int]) -> list[str]:
    """The fields of a model at a position, none when no model of ours is there."""
    for part in [part for part in location if part not in _PLACES]:
        field = model.model_fields.get(str(part)) if model else None
        model = field.annotation if field and isinstance(field.annotation, type) else None
        if model is None or not issubclass(model, BaseModel):
            return []
    return [field.alias or name for name, field in model.model_fields.items()] if model else []
