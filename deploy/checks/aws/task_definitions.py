"""Task definitions of ECS, as Terraform renders them, held to the shapes of ECS's API and to the settings of the code."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

from deploy.process_settings import PROCESSES, variables

# libpq's own variable for the password, which no process of ours reads itself
OF_LIBRARIES = frozenset({"PGPASSWORD"})
SERVICES = {"gpu-": "gpu"}


def shape() -> Shape:
    """The input of RegisterTaskDefinition, from the model of the API that botocore ships."""
    model = botocore.session.Session().get_service_model("ecs")
    return cast("Shape", model.operation_model("RegisterTaskDefinition").input_shape)


def misshapen(name: str, definition: Mapping[str, Any]) -> Iterator[str]:
    """The mistakes for which ECS would refuse a task definition: unknown, missing and mistyped members, values that no list has."""
    document = without_nulls(definition)
    report = ParamValidator().validate(document, shape())
    for line in report.generate_report().splitlines():
        yield f"task definition {name}: {line}"
    for line in strange_values(document, shape(), "$"):
        yield f"task definition {name}: {line}"


def without_nulls(value: Any) -> Any:
    """A document without the members that are null, as the provider sends it. Pure."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def strange_values(value: Any, of_shape: Shape, place: str) -> Iterator[str]:
    """Values that are not among those that the API's model lists, which botocore itself does not look at. Pure."""
    if isinstance(of_shape, StructureShape) and isinstance(value, dict):
        for key, each in value.items():
            if key in of_shape.members:
                yield from strange_values(each, of_shape.members[key], f"{place}.{key}")
    elif isinstance(of_shape, ListShape) and isinstance(value, list):
        for number, each in enumerate(value):
            yield from strange_values(each, of_shape.member, f"{place}[{number}]")
    elif isinstance(of_shape, MapShape) and isinstance(value, dict):
        for key, each in value.items():
            yield from strange_values(key, of_shape.key, f"{place}.{key}")
            yield from strange_values(each, of_shape.value, f"{place}.{key}")
    elif isinstance(of_shape, StringShape) and of_shape.enum and value not in of_shape.enum:
        yield f"{place}: {value!r} is none of {', '.join(of_shape.enum)}"


def process_of(service: str) -> str:
    """The process that a service runs. Pure."""
    return next((process for prefix, process in SERVICES.items() if service.startswith(prefix)), service)


def given(definition: Mapping[str, Any], process: str) -> frozenset[str]:
    """The settings that the process's container is given, as values and as secrets. Pure."""
    containers = {each["name"]: each for each in definition["containerDefinitions"]}
    own = containers[process]
    return frozenset(each["name"] for each in (*own["environment"], *own["secrets"])) - OF_LIBRARIES


def unequal(definitions: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The differences of the settings of the rendered containers from those that the processes read; all optional ones given."""
    if absent := set(PROCESSES) - {process_of(name) for name in definitions}:
        yield f"no task definition runs {', '.join(sorted(absent))}"
    for name, definition in sorted(definitions.items()):
        process = process_of(name)
        found, wanted = given(definition, process), variables(process)
        if lost := sorted(wanted - found):
            yield f"task definition {name} has no {', '.join(lost)}: python -m deploy.process_settings"
        if strange := sorted(found - wanted):
            yield f"task definition {name} has {', '.join(strange)}, which {process} does not read"
