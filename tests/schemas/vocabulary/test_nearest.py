"""What an unknown word was probably meant to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary.nearest import MAX_WORD_CHARS, hint, nearest, unknown

FIELDS = ("language", "num_speakers", "webhook_url", "task")


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("langauge", FIELDS, "language"),
        ("LANGUAGE", FIELDS, "language"),
        ("numSpeakers", FIELDS, "num_speakers"),
        ("he-IL", ("he", "en"), "he"),
        ("SCRIBE_API_KYE", ("SCRIBE_API_KEY", "SCRIBE_API_URL"), "SCRIBE_API_KEY"),
        ("zzz", FIELDS, None),
        ("", FIELDS, None),
        ("x", (), None),
    ],
)
def test_the_word_that_is_most_alike_is_meant(word: str, known: tuple[str, ...], meant: str | None) -> None:
    assert nearest(word, known) == meant
    assert hint(word, known) == (f"; did you mean `{meant}`?" if meant else "")


def test_where_none_is_near_the_few_that_there_are_are_named() -> None:
    assert unknown("quota", "zzz", ["a", "b"]) == "unknown quota `zzz`; there are a, b"
    assert unknown("quota", "zzz", ["a"]) == "unknown quota `zzz`; there is only a"
    assert unknown("field", "zzz", [f"f{n}" for n in range(50)]) == "unknown field `zzz`"


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=5))
def test_whatever_is_asked_the_answer_is_short_and_known(word: str, known: list[str]) -> None:
    found = nearest(word, known)
    assert found is None or found in known
    assert len(unknown("word", word, known)) <= MAX_WORD_CHARS + 20 * 5 + 60
