"""Whatever strangers wrote becomes what PostgreSQL and JSON accept, and good values stay as they are."""

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sink.postgres.sanitize import sanitize_for_postgres, sanitize_text

SURROGATES = st.characters(categories=["Cs"])
HOSTILE = st.text(st.one_of(st.characters(), SURROGATES, st.just("\x00")))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), HOSTILE),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(HOSTILE, inner)),
    max_leaves=20,
)


@given(VALUES)
def test_any_value_becomes_json_that_utf8_can_carry(value: Any) -> None:
    text = json.dumps(sanitize_for_postgres(value), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text.replace("\\\\", "")  # a backslash that was said is written as two
    text.encode()


@given(HOSTILE)
def test_text_keeps_its_length_and_all_good_characters(text: str) -> None:
    cleaned = sanitize_text(text)
    assert len(cleaned) == len(text)
    assert all(new == old or new == "\ufffd" for new, old in zip(cleaned, text, strict=True))


def test_good_values_stay() -> None:
    value = {"a": [1, 2.5, True, None, "שלום 🐇"]}
    assert sanitize_for_postgres(value) == value
    assert sanitize_for_postgres(math.inf) is None
