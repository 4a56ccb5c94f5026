"""The OpenAPI document: what FastAPI says of the operations, with all that no handler returns, examples and links."""

from typing import Any

from producers.api.access import rate_limits
from producers.api.jobs import bulk
from producers.api.openai.errors import CODES, error_example
from producers.api.problems import MEDIA_TYPE, Problem, problem_example
from producers.api.requests import conditional
from producers.api.web.contract import examples, transcripts
from producers.api.web.contract.links import add_links
from producers.api.web.contract.registry_errors import SchemaRegistryProblem
from producers.api.web.contract.walk import operations
from producers.api.webhooks import payloads
from schemas.errors import ERRORS

_REFERENCE = "#/components/schemas/{model}"


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """The whole document."""
    schemas = document["components"]["schemas"]
    for model in (Problem, SchemaRegistryProblem, bulk.BulkOutcome):
        schema = model.model_json_schema(ref_template=_REFERENCE, mode="serialization")
        found = schema.pop("$defs", {})
        schemas.update({**found, **schemas, model.__name__: schema})
    schemas.update({**payloads.schemas(_REFERENCE), **transcripts.schemas(_REFERENCE)})
    document["webhooks"] = payloads.operations(_REFERENCE)
    conditional.describe(document, "/api/")
    rate_limits.describe(document)
    for _, operation in operations(document):
        _describe_body(operation, schemas)
        _show_errors(operation)
    examples.complete(document)
    add_links(document)
    return document


def _describe_body(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Describe a body by the first sentence of its schema where nothing else does."""
    body = operation.get("requestBody")
    if body is None or "description" in body:
        return
    for media in body["content"].values():
        schema = media["schema"]
        for choice in (schema, *schema.get("anyOf", ())):
            schema = schemas.get(choice.get("$ref", "").rpartition("/")[2], choice)
            if text := schema.get("description"):
                body["description"] = text
                return


def _show_errors(operation: dict[str, Any]) -> None:
    """Show the answer to each code: not before, since FastAPI takes every null out of what it is given."""
    for answer in operation["responses"].values():
        for kind, media in answer.get("content", {}).items() if CODES in answer else ():
            example = problem_example if kind == MEDIA_TYPE else error_example
            media["examples"] = {
                code: {"summary": ERRORS[code].title, "value": example(code)} for code in answer[CODES]
            }
