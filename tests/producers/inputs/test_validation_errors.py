"""Pydantic's findings as fields and messages."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from producers.api.jobs.bodies import TranscribeBody
from producers.api.webhooks.views import EndpointChange
from producers.inputs.validation_errors import MAX_FINDINGS, invalid


def fields_of(**given: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        TranscribeBody.model_validate(given)
    return [item["field"] for item in invalid(caught.value, TranscribeBody).errors]


def test_every_field_is_named() -> None:
    assert fields_of(num_speakers=0, langage="he") == ["num_speakers", "langage"]
    assert fields_of(url="https://a.example/x", metadata={"crm": 5}) == ["metadata.crm"]


def message_of(model: type[BaseModel], given: object) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    return invalid(caught.value, model).detail


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("langauge", "language"), ("Language", "language"), ("numSpeakers", "num_speakers"), ("webhook", "webhook_url")],
)
def test_an_unknown_field_is_answered_with_the_one_that_was_meant(wrong: str, meant: str) -> None:
    said = message_of(TranscribeBody, {"url": "https://a.example/x", wrong: "he"})
    assert said == f"unknown field `{wrong}`; did you mean `{meant}`?"


def test_one_that_is_like_no_other_is_only_unknown_where_there_are_many() -> None:
    assert message_of(TranscribeBody, {"url": "https://a.example/x", "zzz": 1}) == "unknown field `zzz`"
    assert message_of(EndpointChange, {"zzz": 1}) == (
        "unknown field `zzz`; there are description, max_per_second, events, state"
    )


class Inner(BaseModel, extra="forbid"):
    first: int = 0


class Outer(BaseModel):
    inner: Inner


def test_fields_of_a_part_are_those_of_the_part() -> None:
    assert message_of(Outer, {"inner": {"frist": 1}}) == "unknown field `frist`; did you mean `first`?"


def test_the_words_of_our_own_validators_come_without_pydantics() -> None:
    said = message_of(TranscribeBody, {"url": "https://a.example/x", "expires_at": 5})
    assert said.startswith("expires_at: must be written as a time")


def test_values_are_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        TranscribeBody.model_validate({"url": "https://a.example/x", "num_speakers": "s3cret"})
    assert "s3cret" not in str(invalid(caught.value, TranscribeBody))


def test_a_flood_of_unknown_fields_has_a_short_answer() -> None:
    assert len(fields_of(url="https://a.example/x", **{f"x{n}": 1 for n in range(1000)})) == MAX_FINDINGS
