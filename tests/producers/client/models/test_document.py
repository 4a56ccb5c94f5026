"""Values of the service: what is read, what is tolerated, and what is an error."""

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

import pytest

from producers.client.models.document import Document


class Inner(Document):
    at: datetime | None


class Value(Document):
    SECRET: ClassVar[frozenset[str]] = frozenset({"word"})
    which: UUID
    number: float
    word: str
    inner: Inner
    many: tuple[Inner, ...] = ()


RAW = {
    "which": "0b7e1d0a-6b1f-4d0e-9a53-2f6f2c8f4a11",
    "number": 3,
    "word": "hush",
    "inner": {"at": "2026-01-31T12:00:00Z", "later": 1},
    "newer": [],
}


def test_values_have_their_types() -> None:
    value = Value(RAW)
    assert (value.which, value.number, type(value.number)) == (UUID(str(RAW["which"])), 3.0, float)
    assert (value.inner.at, value.many) == (datetime(2026, 1, 31, 12, tzinfo=UTC), ())
    assert Value({**RAW, "many": [{"at": None}]}).many == (Inner({"at": None}),)
    assert (value.raw["newer"], value.inner.raw["later"]) == ([], 1)


def test_a_secret_is_not_shown() -> None:
    assert "hush" not in repr(Value(RAW))
    assert "number=3.0" in repr(Value(RAW))


def test_values_are_equal_by_what_was_sent_and_stay_as_they_are() -> None:
    assert Value(RAW) == Value({**RAW})
    assert Value(RAW) != Value({**RAW, "number": 4})
    with pytest.raises(AttributeError):
        Value(RAW).number = 4.0


@pytest.mark.parametrize("wrong", [{"which": "x"}, {"inner": None}, {"number": "many"}, {"many": [1]}])
def test_a_value_of_another_form_is_an_error(wrong: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Value({**RAW, **wrong})
    with pytest.raises(KeyError):
        Value({name: value for name, value in RAW.items() if name not in wrong} if "many" not in wrong else {})
