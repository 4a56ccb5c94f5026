"""Validation errors of pydantic as one error that names every field. Pure."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from pydantic import ValidationError

from schemas.errors import Rejected
from schemas.vocabulary.findings import Model, finding, text_of

MAX_FINDINGS = 50


def rejected(items: Iterable[Mapping[str, Any]], model: Model | None = None) -> Rejected:
    """The error for pydantic's findings; the values themselves are not repeated, since they may be secret.

    `model` is the model of the body: the error for an unknown field suggests the field with the most similar name.
    """
    errors = tuple(finding(item, model) for item in islice(items, MAX_FINDINGS))
    return Rejected("invalid_request", text_of(errors[:10]), errors)


def invalid(error: ValidationError, model: Model) -> Rejected:
    """The error for a model that was created from other values than a request body."""
    return rejected(error.errors(include_url=False, include_input=False), model)


def refused(found: Iterable[tuple[Iterable[str | int], str]]) -> Rejected:
    """The error for invalid places, such as ("body", "url"), each with its message."""
    return rejected({"type": "refused", "loc": tuple(place), "msg": message} for place, message in found)
