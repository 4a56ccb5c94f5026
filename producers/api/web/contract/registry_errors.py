"""Errors in the shape of Confluent's schema registry, which Kafka's tools read. Pure."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

from schemas.errors import ERRORS, Permanent, Rejected

PREFIX = "/schema-registry"
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
SUBJECT, VERSION, SCHEMA, WRONG_VERSION = 40401, 40402, 40403, 42202


class SchemaRegistryProblem(BaseModel):
    """An error as Confluent's registry answers it: the first three digits of `error_code` are the status."""

    error_code: int = Field(examples=[SUBJECT])
    message: str = Field(examples=["Subject 'orders-value' not found."])


class RegistryRefusal(Rejected):
    """Error: something that is not in the registry, with Confluent's number for it."""

    def __init__(self, number: int, message: str) -> None:
        self.number = number
        super().__init__("not_found" if number // 100 == HTTPStatus.NOT_FOUND else "invalid_request", message)


def is_registry(path: str) -> bool:
    """Whether an address is one of the registry."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def registry_problem(error: Permanent, status: int) -> SchemaRegistryProblem:
    """The body of the answer to an error."""
    if isinstance(error, RegistryRefusal):
        return SchemaRegistryProblem(error_code=error.number, message=error.detail)
    return SchemaRegistryProblem(error_code=status, message=error.message)


def registry_responses(*numbers: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation, for the OpenAPI document."""
    statuses = {number // 100: _WORDS[number] for number in numbers}
    if numbers:  # what takes a parameter may find it wrong
        statuses.setdefault(ERRORS["invalid_request"].status, f"`invalid_request`: {ERRORS['invalid_request'].title}")
    statuses |= {ERRORS[code].status: f"`{code}`: {ERRORS[code].title}" for code in ("unavailable", "internal")}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/SchemaRegistryProblem"}}}
    return {status: {"description": words, "content": content} for status, words in statuses.items()}


_WORDS = {
    SUBJECT: "40401: there is no such subject",
    VERSION: "40401 or 40402: there is no such subject, or it has no such version",
    SCHEMA: "40403: no schema has this id",
    WRONG_VERSION: "42202: a version is a number or `latest`",
}
