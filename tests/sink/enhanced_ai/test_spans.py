"""Quotes are found where they were said, and dropped where they were not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Entity
from sink.enhanced_ai.shapes import Quoted
from sink.enhanced_ai.spans import entities_of
from tests.sink.enhanced_ai.asking import transcript

SEGMENTS = transcript(
    ("Hello, this is Anna Maria.", "It was 12.5 dollars", "שָׁלוֹם לכולם", "this is Anna, again", "café")
).segments


@pytest.mark.parametrize(
    ("quote", "line", "text", "start"),
    [
        ("anna maria", 0, "Anna Maria", 0.6),
        ("ANNA", 0, "Anna", 0.6),
        ("Anna", 3, "Anna", 9.4),
        ("Anna", 99, "Anna", 0.6),
        ("12.5 dollars", 0, "12.5 dollars", 3.4),
        ("שלום", 2, "שָׁלוֹם", 6.0),
        ("cafe", 0, "café", 12.0),
    ],
)
def test_a_quote_gets_the_times_and_the_spelling_of_its_words(quote: str, line: int, text: str, start: float) -> None:
    (found,) = entities_of([Quoted(quote=quote, kind=" Person ", line=line)], SEGMENTS)
    assert (found.text, found.kind, found.start) == (text, "person", start)
    assert found.end is not None
    assert found.end > start


@pytest.mark.parametrize("quote", ["Bob", "maria anna", "dollars 12.5", "?!", "https://evil.example", "ann"])
def test_what_nobody_said_is_dropped(quote: str) -> None:
    assert entities_of([Quoted(quote=quote, kind="k", line=0)], SEGMENTS) == ()


def test_without_word_times_a_quote_has_those_of_its_segment() -> None:
    segments = transcript(("hello this is anna",), words=False).segments
    assert entities_of([Quoted(quote="anna", kind="person", line=0)] * 2, segments) == (
        Entity(text="anna", kind="person", start=0.0, end=2.5),
    )


@given(st.text(min_size=1, max_size=50), st.integers(-5, 50))
def test_whatever_is_quoted_comes_from_the_transcript(quote: str, line: int) -> None:
    said = " ".join(segment.text for segment in SEGMENTS)
    for entity in entities_of([Quoted(quote=quote, kind="k", line=line)], SEGMENTS):
        assert entity.text in said
