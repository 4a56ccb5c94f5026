"""Days by class of data: what may be written, and what of it a tenant may choose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tenants.retention import CLASSES, FOREVER, MAX_DAYS, days_of, days_text, tenant_mistakes


@given(st.integers(0, MAX_DAYS) | st.just(FOREVER))
def test_days_are_read_as_they_are_written(days: int) -> None:
    assert days_of(days_text(days)) == days


@pytest.mark.parametrize("text", ["", "-1", "7.5", "1e3", "٧", "never", " 7", str(MAX_DAYS + 1), "9" * 5000])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number of days"):
        days_of(text)


def test_a_tenant_may_choose_every_class_that_is_kept_per_tenant() -> None:
    assert list(tenant_mistakes({name: 7 for name, kept in CLASSES.items() if kept.per_tenant})) == []
    assert list(tenant_mistakes({"audio": FOREVER, "transcripts": 0})) == []


@pytest.mark.parametrize(("name", "days"), [("sound", 7), ("audio", -2), ("audio", MAX_DAYS + 1)])
def test_what_a_tenant_may_not_choose_is_named(name: str, days: int) -> None:
    ((found, message),) = tenant_mistakes({name: days})
    assert found == name
    assert message


def test_tokens_of_a_day_are_kept_as_long_as_all_else_that_its_usage_shows() -> None:
    assert CLASSES["spending"].days == CLASSES["usage"].days
