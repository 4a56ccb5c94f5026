"""Quotes are found where they were said, and dropped where they were not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Entity
from schemas.transcript import Segment, Transcript
from sink.enhanced_ai.shapes import MAX_ENTITIES
from sink.enhanced_ai.spans import Quote, entities_of
from tests.sink.enhanced_ai.asking import transcript
from tests.strategies import texts, transcripts

SAID = transcript(
    (
        "Hello, this is Anna Maria.",
        "It was 12.5 dollars",
        "שָׁלוֹם לכולם",
        "this is Anna, again",
        "café",
        "גרנו בתל אביב שנים",
    )
)


@pytest.mark.parametrize(
    ("quote", "near", "text", "start"),
    [
        ("anna maria", (0, 2.5), "Anna Maria", 0.6),
        ("ANNA", (0, 2.5), "Anna", 0.6),
        ("Anna", (9, 11.5), "Anna", 9.4),
        ("Anna", (8, 8), "Anna", 9.4),
        ("Anna", None, "Anna", 0.6),
        ("12.5 dollars", (0, 2.5), "12.5 dollars", 3.4),
        ("שלום", (6, 8.5), "שָׁלוֹם", 6.0),
        ("cafe", (-5, float("inf")), "café", 12.0),
        ("Maria. It", None, "Maria. It", 0.8),
        ("תל אביב", None, "תל אביב", 15.2),
        ("בתל אביב", None, "בתל אביב", 15.2),
    ],
)
def test_a_quote_gets_the_times_and_the_spelling_of_its_words(
    quote: str, near: tuple[float, float] | None, text: str, start: float
) -> None:
    """Hebrew's one-letter words are written together with what follows; they are not part of a name."""
    (found,) = entities_of([Quote(quote, "Person ", near)], SAID)
    assert (found.text, found.kind, found.start) == (text, "person", start)
    assert found.end is not None
    assert found.end > start


@pytest.mark.parametrize(
    "quote", ["Bob", "maria anna", "dollars 12.5", "?!", "https://evil.example", "ann", "nna", "אביב ש", ".*", "(", ""]
)
def test_what_nobody_said_is_dropped(quote: str) -> None:
    assert entities_of([Quote(quote, "k")], SAID) == ()


def test_without_word_times_a_quote_has_those_of_its_segment() -> None:
    said = transcript(("hello this is anna",), words=False)
    assert entities_of([Quote("anna", "person")] * 2, said) == (Entity(text="anna", kind="person", start=0.0, end=2.5),)


def test_languages_without_spaces_are_searched_without() -> None:
    said = Transcript(language="ja", duration=3, segments=(Segment(start=0, end=3, text="私は東京都に住む"),))
    assert len(entities_of([Quote("東京都", "place")], said)) == 1


@pytest.mark.parametrize(("kind", "clean"), [("Phone Number", "phone_number"), ("</x>", "x"), ("שם", "other")])
def test_a_kind_is_a_plain_name(kind: str, clean: str) -> None:
    (found,) = entities_of([Quote("again", kind)], SAID)
    assert found.kind == clean


def test_entities_come_in_order_of_appearance_and_not_without_end() -> None:
    said = transcript([f"word{n}" for n in range(MAX_ENTITIES + 5)])
    found = entities_of([Quote(f"word{n}", "k") for n in reversed(range(MAX_ENTITIES + 5))], said)
    assert [entity.text for entity in found] == [f"word{n}" for n in range(MAX_ENTITIES)]


@given(st.text(min_size=1, max_size=50), st.none() | st.tuples(st.floats(), st.floats()))
def test_whatever_is_quoted_comes_from_the_transcript(quote: str, near: tuple[float, float] | None) -> None:
    said = " ".join(segment.text for segment in SAID.segments)
    for entity in entities_of([Quote(quote, "k", near)], SAID):
        assert entity.text in said


@given(transcripts(), st.lists(texts, max_size=4))
def test_any_transcript_can_be_searched_and_times_are_those_of_words(said: Transcript, quotes: list[str]) -> None:
    own = [word.text for segment in said.segments for word in segment.words]
    times = {
        0.0,
        *(t for s in said.segments for t in (s.start, s.end, *(t for w in s.words for t in (w.start, w.end)))),
    }
    for entity in entities_of([Quote(quote, "k") for quote in (*quotes, *own)], said):
        assert {entity.start, entity.end} <= times


def test_of_many_places_each_quote_gets_its_own() -> None:
    """Hours of speech name the same things again and again."""
    said = transcript(["the order number"] * 500)
    quotes = [Quote("order", "k", (3.0 * n, 3.0 * n + 2)) for n in range(500)]
    assert [entity.start for entity in entities_of(quotes, said)] == [round(3 * n + 0.2, 3) for n in range(500)]
