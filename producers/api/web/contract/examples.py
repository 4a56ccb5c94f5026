"""Examples in the OpenAPI document: each is put together from those of the fields, so that it fits its schema. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from producers.api.requests.ids import JOB
from producers.api.web.contract.values import OF_FIELD, OF_SCHEMA
from producers.api.web.contract.walk import media_of, operations

Json = dict[str, Any]
_REFERENCE = "#/components/schemas/"
_OF_FORMAT = {
    "uuid": JOB,
    "date-time": "2026-01-31T12:00:00Z",
}
BINARY = "binary"


class Unexampled(Exception):
    """Error: no example follows from a schema; the message says where, and the field needs one of its own."""


def complete(document: Json) -> None:
    """Add an example to every parameter, body and answer that has none; raises Unexampled."""
    schemas = document["components"]["schemas"]
    for label, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if "example" not in parameter and "examples" not in parameter:
                place = f"{label}: {parameter['name']}"
                parameter["example"] = _of_field(parameter["name"], parameter["schema"], schemas, place)
        for place, media in media_of(label, operation):
            if "example" not in media and "examples" not in media and not _is_bytes(media.get("schema")):
                media["example"] = example_of(media.get("schema", {}), schemas, place)


def example_of(schema: Json, schemas: Mapping[str, Json], place: str) -> Any:
    """A value that fits a schema: its own example, else made from those of its parts; raises Unexampled."""
    if reference := schema.get("$ref"):
        name = reference.removeprefix(_REFERENCE)
        return example_of(schemas[name], schemas, name)
    for own in _own(schema):
        return own
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        if choice.get("type") != "null":
            return example_of(choice, schemas, place)
    return _of_type(schema, schemas, place)


def _own(schema: Json) -> Iterator[Any]:
    if "example" in schema:
        yield schema["example"]
    yield from schema.get("examples", ())
    if "const" in schema:
        yield schema["const"]
    if schema.get("default") not in (None, [], {}):
        yield schema["default"]
    yield from schema.get("enum", ())


def _of_type(schema: Json, schemas: Mapping[str, Json], place: str) -> Any:
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {}).items()
            return {name: _of_field(name, field, schemas, place) for name, field in fields if not _is_bytes(field)}
        case "array":
            return [example_of(schema.get("items", {}), schemas, f"{place}[]")]
        case "boolean":
            return True
        case "integer":
            return schema.get("minimum", 1)
        case "string" if (known := _OF_FORMAT.get(schema.get("format", ""))) is not None:
            return known
    raise Unexampled(f"{place} has no example")


def _of_field(name: str, schema: Json, schemas: Mapping[str, Json], place: str) -> Any:
    """The value of a field: that of this schema, else its own example, else that of all fields of the name."""
    if name in (here := OF_SCHEMA.get(place, {})):
        return here[name]
    if name in OF_FIELD and "examples" not in schema and schema.get("default") in (None, ""):
        return OF_FIELD[name]
    return example_of(schema, schemas, f"{place}.{name}")


def _is_bytes(schema: Json | None) -> bool:
    """Whether a value is one that no text can show: a file."""
    return schema is not None and schema.get("format") == BINARY
