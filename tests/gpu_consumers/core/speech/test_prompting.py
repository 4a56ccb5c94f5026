"""Hotwords and prompts: whole words, as many as fit, and a word to the reader about the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.speech.prompting import fitting_end, fitting_start

HEBREW = " ".join(f"מילה{n}" for n in range(300))


def letters(text: str) -> int:
    """A tokenizer that makes a token of every letter."""
    return len(text)


@pytest.mark.parametrize(
    ("text", "limit", "taken", "warned"),
    [
        ("Anna Bob", 20, "Anna Bob", ""),
        ("Anna Bob Cleo", 9, "Anna Bob", "2 of 3 words of hotwords"),
        ("Anna Lee, Bob, Cleo", 12, "Anna Lee", "1 of 3 words of hotwords"),  # a name is not parted
        ("Rindfleischetikettierung", 5, "", "0 of 1 words of hotwords"),
        ("", 5, "", ""),
    ],
)
def test_hotwords_are_taken_whole_from_their_beginning(text: str, limit: int, taken: str, warned: str) -> None:
    found = fitting_start(text, limit, letters)
    assert found.text == taken
    assert [words.startswith(warned) for words in found.warnings("hotwords")] == ([True] if warned else [])


def test_of_a_prompt_the_end_counts() -> None:
    found = fitting_end("We met in Tel Aviv", 8, letters)
    assert found.text == "Tel Aviv"
    assert found.warnings("prompt") == ("2 of 5 words of prompt were used, more the model cannot hold",)


@given(st.text("ab, א", max_size=80), st.integers(0, 60))
def test_what_fits_fits_and_is_of_whole_words(text: str, limit: int) -> None:
    for fitting in (fitting_start, fitting_end):
        found = fitting(text, limit, letters)
        assert letters(found.text) <= max(limit, 0) or found.taken == found.given
        assert found.text in text


def test_a_long_list_in_hebrew_is_cut_at_a_word() -> None:
    """Each letter may be two tokens; none is cut in the middle."""
    found = fitting_start(HEBREW, 223, lambda text: 2 * len(text))
    assert HEBREW.startswith(found.text + " ")
    assert (found.taken, found.given) == (17, 300)
