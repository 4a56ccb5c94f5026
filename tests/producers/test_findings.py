"""Pydantic's findings as fields and messages."""

from typing import Any

import pytest
from pydantic import ValidationError

from producers.api.bodies import TranscribeBody
from producers.findings import MAX_FINDINGS, invalid


def fields_of(**given: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        TranscribeBody.model_validate(given)
    return [item["field"] for item in invalid(caught.value).errors]


def test_every_field_is_named() -> None:
    assert fields_of(num_speakers=0, langage="he") == ["num_speakers", "url", "langage"]
    assert fields_of(url="https://a.example/x", metadata={"crm": 5}) == ["metadata.crm"]


def test_values_are_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        TranscribeBody.model_validate({"url": "https://a.example/x", "num_speakers": "s3cret"})
    assert "s3cret" not in str(invalid(caught.value))


def test_a_flood_of_unknown_fields_has_a_short_answer() -> None:
    assert len(fields_of(url="https://a.example/x", **{f"x{n}": 1 for n in range(1000)})) == MAX_FINDINGS
