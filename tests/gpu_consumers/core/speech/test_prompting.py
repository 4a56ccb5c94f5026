"""Hotwords and prompts: whole words, as many as fit, and a word to the reader about the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.speech.prompting import Fitting, fitting_end, fitting_start, sharing

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
        (" Anna, Bob,\n", 9, "Anna, Bob", ""),
        ("a b c d e f g h i j k, Kafka", 9, "a b c d e", "5 of 12 words of hotwords"),  # no name is as long
        ("Kafka, a b c d e f g h i j k", 12, "Kafka, a b c", "4 of 12 words of hotwords"),
        ("Anna Maria Lee, Bob", 9, "Anna", "1 of 4 words of hotwords"),  # better than nothing
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


@pytest.mark.parametrize("around", ["", "\n", "  ", ", ", ", Kafka", "; Kafka\n", "\nKafka"])
def test_a_long_list_is_used_whatever_stands_behind_it(around: str) -> None:
    used = fitting_start(HEBREW + around, 220, letters)
    assert used.text == fitting_start(HEBREW, 220, letters).text
    assert used.taken > 20


@pytest.mark.parametrize(
    ("hotwords", "prompt", "taken"),
    [
        ("a" * 15, "", (1, 0)),  # all of it is free
        ("a" * 15, "b c", (1, 2)),
        ("a b c d e f g h i j k", "b b b b b b b b b b b", (5, 6)),  # half each, and blanks that are left
        ("a", "b b b b b b b b b b b", (1, 10)),
        ("a b c d e f g h i j k", "b", (10, 1)),
    ],
)
def test_hotwords_and_prompt_share_what_the_model_holds(hotwords: str, prompt: str, taken: tuple[int, int]) -> None:
    first, last = sharing(hotwords, prompt, 20, letters)
    assert (first.taken, last.taken) == taken


@given(st.text("ab, ", max_size=60), st.text("ab, ", max_size=60), st.integers(0, 60))
def test_both_together_are_within_the_limit(hotwords: str, prompt: str, limit: int) -> None:
    """And one that has less than half leaves the other one the rest."""
    found = sharing(hotwords, prompt, limit, letters)
    assert sum(letters(part.text) for part in found) <= limit
    if letters(hotwords) + letters(prompt) <= limit:
        assert found == (
            Fitting(hotwords.strip(" ,"), found[0].given, found[0].given),
            fitting_end(prompt, 60, letters),
        )


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
