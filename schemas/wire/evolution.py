"""Schema evolution: fields added since an older schema; an event that uses none can be written as before. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
EACH = "[]"


@dataclass(frozen=True, slots=True)
class NewField:
    """A field missing in an older schema: its path of names, EACH for every item of a list, and its neutral value."""

    path: tuple[str, ...]
    default: Any


class Unlike(Exception):
    """The schemas differ by more than fields with defaults."""


def new_fields(schema: Schema, older: Schema) -> tuple[NewField, ...] | None:
    """The fields of `schema` that `older` lacks; None when an event could not be written by `older` without them."""
    try:
        return tuple(_new(schema, older, (_names(schema), _names(older)), ()))
    except Unlike:
        return None


def without(value: dict[str, Any], fields: tuple[NewField, ...]) -> bool:
    """Remove the new fields from an event as plain dicts; False, without a change, when it uses one of them."""
    names = [(field.path[:-1], field.path[-1], field.default) for field in fields]
    if any(_plain(holder[name]) != default for way, name, default in names for holder in _holders(value, way)):
        return False
    for way, name, _ in names:
        for holder in _holders(value, way):
            del holder[name]
    return True


def _plain(value: Any) -> Any:
    """A default value as schemas write it."""
    return list(value) if isinstance(value, tuple) else value


def _holders(value: Any, way: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The dicts at a path; none where an optional part of it is absent."""
    if value is None:
        return
    if not way:
        yield value
    elif way[0] == EACH:
        for item in value:
            yield from _holders(item, way[1:])
    else:
        yield from _holders(value[way[0]], way[1:])


Names = tuple[Mapping[str, Schema], Mapping[str, Schema]]


def _new(schema: Any, older: Any, names: Names, path: tuple[str, ...]) -> Iterator[NewField]:
    schema, older = _resolved(schema, names[0]), _resolved(older, names[1])
    if _kind(schema) != _kind(older):
        raise Unlike
    match schema:
        case {"type": "record"}:
            yield from _of_record(schema, older, names, path)
        case {"type": "array"}:
            yield from _new(schema["items"], older["items"], names, (*path, EACH))
        case {"type": "map"}:
            # no event has maps of records
            if list(_new(schema["values"], older["values"], names, path)):
                raise Unlike
        case list():
            for branch, other in zip(schema, older, strict=True):
                yield from _new(branch, other, names, path)


def _of_record(schema: Schema, older: Schema, names: Names, path: tuple[str, ...]) -> Iterator[NewField]:
    before = {field["name"]: field for field in older["fields"]}
    if before.keys() - {field["name"] for field in schema["fields"]}:
        raise Unlike
    for field in schema["fields"]:
        here = (*path, field["name"])
        if field["name"] in before:
            yield from _new(field["type"], before[field["name"]]["type"], names, here)
        elif "default" in field:
            yield NewField(here, field["default"])
        else:
            raise Unlike


def _kind(schema: Any) -> Any:
    """The properties that must be equal on both sides, apart from the contents of records, arrays and unions."""
    if isinstance(schema, list):
        return len(schema)
    if isinstance(schema, dict):
        return {name: schema.get(name) for name in ("type", "name", "logicalType", "symbols", "size")}
    return schema


def _resolved(schema: Any, names: Mapping[str, Schema]) -> Any:
    return names.get(schema, schema) if isinstance(schema, str) else schema


def _names(schema: Any) -> dict[str, Schema]:
    """Every named type that is defined somewhere in a schema."""
    if isinstance(schema, list):
        return {name: found for item in schema for name, found in _names(item).items()}
    if not isinstance(schema, dict):
        return {}
    own = {schema["name"]: schema} if schema.get("type") in ("record", "enum", "fixed") else {}
    parts = [field["type"] for field in schema.get("fields", ())]
    parts += [schema[inner] for inner in ("items", "values") if inner in schema]
    return own | {name: found for part in parts for name, found in _names(part).items()}
