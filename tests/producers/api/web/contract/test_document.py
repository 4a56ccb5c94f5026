"""The OpenAPI document is complete: words and an example everywhere, each example fits its schema, links lead on."""

from collections.abc import Iterator
from typing import Any, cast

import jsonschema_rs
import pytest

from producers.api.app import create_app
from producers.api.services import Services
from producers.api.web.contract.examples import Unexampled, example_of
from producers.api.web.contract.links import FOLLOWING
from producers.api.web.contract.walk import media_of, operations

DOCUMENT = create_app(cast(Services, None)).openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = dict(operations(DOCUMENT))


def _fits(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value, by the draft that OpenAPI 3.1 takes."""
    whole = {**schema, "components": {"schemas": SCHEMAS}}
    return [
        error.message for error in jsonschema_rs.Draft202012Validator(whole, validate_formats=True).iter_errors(value)
    ]


def _examples(holder: dict[str, Any]) -> Iterator[Any]:
    if "example" in holder:
        yield holder["example"]
    yield from (named["value"] for named in holder.get("examples", {}).values())
    yield from holder.get("schema", {}).get("examples", ())


@pytest.mark.parametrize("label", OPERATIONS)
def test_an_operation_is_described_with_its_parameters_body_and_answers(label: str) -> None:
    operation = OPERATIONS[label]
    described = {
        "itself": operation.get("summary") and operation.get("description"),
        "body": "requestBody" not in operation or operation["requestBody"].get("description"),
        **{
            parameter["name"]: parameter.get("description") or parameter["schema"].get("description")
            for parameter in operation.get("parameters", ())
        },
        **{status: answer.get("description") for status, answer in operation["responses"].items()},
    }
    assert [what for what, text in described.items() if not text] == []


@pytest.mark.parametrize("label", OPERATIONS)
def test_parameters_bodies_and_answers_have_an_example_that_fits(label: str) -> None:
    """All but files, of which no text is an example."""
    operation = OPERATIONS[label]
    holders = [(parameter["name"], parameter) for parameter in operation.get("parameters", ())]
    for place, holder in [*holders, *media_of(label, operation)]:
        schema = holder["schema"]
        shown = list(_examples(holder))
        assert shown or schema.get("format") == "binary", place
        assert [wrong for value in shown for wrong in _fits(_without_file(schema), value)] == [], place


def _without_file(schema: dict[str, Any]) -> dict[str, Any]:
    """A form's schema without its file, which no example has."""
    files = {name for name, field in schema.get("properties", {}).items() if field.get("format") == "binary"}
    return {**schema, "required": [name for name in schema.get("required", ()) if name not in files]}


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_example_of_a_schema_fits_it(name: str) -> None:
    for value in SCHEMAS[name].get("examples", ()):
        assert _fits({"$ref": f"#/components/schemas/{name}"}, value) == []


def test_a_field_without_an_example_is_named() -> None:
    """What this finds in a new field is what the next one who adds one is told."""
    schema = {"type": "object", "properties": {"ever_so_new": {"type": "string"}}}
    with pytest.raises(Unexampled, match=r"New\.ever_so_new has no example"):
        example_of(schema, {}, "New")


@pytest.mark.parametrize("source", FOLLOWING)
def test_links_lead_from_a_field_of_the_answer_to_a_parameter_of_that_name(source: str) -> None:
    known = {operation["operationId"]: operation for operation in OPERATIONS.values()}
    answers = [answer for status, answer in known[source]["responses"].items() if status.startswith("2")]
    assert answers
    for answer in answers:
        fields = _fields(answer["content"]["application/json"]["schema"])
        for target, link in answer["links"].items():
            assert target in known
            (name,) = link["parameters"]
            assert name in {parameter["name"] for parameter in known[target]["parameters"]}
            assert name in fields


def test_whoever_submits_is_led_to_the_job() -> None:
    for path in ("/api/v1/transcribe", "/api/v1/transcribe/upload"):
        links = DOCUMENT["paths"][path]["post"]["responses"]["202"]["links"]
        assert links["getJob"]["parameters"] == {"job_id": "$response.body#/job_id"}
        assert {"getTranscript", "getWaiting", "followJob", "deleteJob"} <= links.keys()


def _fields(schema: dict[str, Any]) -> set[str]:
    """The fields that each variant of an answer has."""
    if variants := schema.get("anyOf"):
        return set.intersection(*map(_fields, variants))
    if reference := schema.get("$ref"):
        return _fields(SCHEMAS[reference.rpartition("/")[2]])
    return set(schema["properties"])


@pytest.mark.parametrize("label", [label for label, operation in OPERATIONS.items() if operation.get("security")])
def test_an_operation_with_a_key_says_that_the_key_may_lack_its_scope(label: str) -> None:
    assert {"401", "403"} <= OPERATIONS[label]["responses"].keys() | ({"403"} if "/v1/models" in label else set())


def test_errors_show_the_problem_of_each_code() -> None:
    shown = DOCUMENT["paths"]["/api/v1/jobs/{job_id}/transcript"]["get"]["responses"]["409"]["content"]
    examples = shown["application/problem+json"]["examples"]
    assert examples.keys() == {"not_ready", "cancelled"}
    assert examples["not_ready"]["value"]["type"] == "urn:scribe-rabbit:problem:not_ready"
