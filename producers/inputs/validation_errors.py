"""What pydantic found wrong, as one error that names every field. Pure."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from pydantic import ValidationError

from schemas.errors import Rejected
from schemas.vocabulary.findings import Model, finding, text_of

MAX_FINDINGS = 50


def rejected(items: Iterable[Mapping[str, Any]], model: Model | None = None) -> Rejected:
    """The error for pydantic's findings; the values themselves are not repeated, they may be secret.

    `model` is that of the body: an unknown field is answered with the one that it was meant to be.
    """
    errors = tuple(finding(item, model) for item in islice(items, MAX_FINDINGS))
    return Rejected("invalid_request", text_of(errors[:10]), errors)


def invalid(error: ValidationError, model: Model) -> Rejected:
    """The same for a model that was filled by hand."""
    return rejected(error.errors(include_url=False, include_input=False), model)


def refused(found: Iterable[tuple[Iterable[str | int], str]]) -> Rejected:
    """The error for places, such as ("body", "url"), and what is wrong at each."""
    return rejected({"type": "refused", "loc": tuple(place), "msg": message} for place, message in found)
