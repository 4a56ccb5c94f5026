"""Extractive summaries and pattern entities: nothing but what was said, of any length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.extraction import Line, entities_of, summary_of


def lines(*texts: str) -> list[Line]:
    return [Line(number, text) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("text", "kind", "quote"),
    [
        ("write to dana@acme.example please", "email", "dana@acme.example"),
        ("it was 2026-01-05", "date", "2026-01-05"),
        ("on the 5th of May", "date", "5th of May"),
        ("ניפגש ביום שלישי או יום רביעי", "date", "יום רביעי"),
        ("at 5 o'clock", "time", "5 o'clock"),
        ("it costs $1,250.50 a month", "money", "$1,250.50"),
        ("זה עולה 300 שקלים", "money", "300 שקלים"),
        ("call +972 52-123-4567 now", "phone", "+972 52-123-4567"),
        ("four five six seven", "number", "four five six seven"),
        ("שלום מדברת רונית", "person", "רונית"),
        ("we met Anna Levi in the office", "name", "Anna Levi"),
    ],
)
def test_what_has_a_pattern_is_found_once(text: str, kind: str, quote: str) -> None:
    found = entities_of(lines("nothing here", text))
    assert {"kind": kind, "quote": quote, "line": 1} in found
    assert sum(quote in item["quote"] or item["quote"] in quote for item in found) == 1


def test_a_summary_holds_what_the_others_share() -> None:
    said = (
        "The order is late.",
        "Nice weather today!",
        "My order is late again.",
        "When will the order arrive?",
        "Bye.",
    )
    assert "order" in summary_of(lines(*said), 1)
    hebrew = ("ההזמנה שלי מאחרת", "תודה", "איפה ההזמנה שלי", "ההזמנה שלי תגיע מחר")
    assert "ההזמנה" in summary_of(lines(*hebrew), 1)


@given(st.lists(st.text(max_size=60), max_size=30))
def test_every_sentence_of_a_summary_was_said(texts: list[str]) -> None:
    said = {part.strip(" .") for text in texts for part in (text, *text.split())}
    assert all(summary_of(lines(text), 1).removesuffix(".") in " ".join(said) for text in texts)


def test_hours_of_speech_are_summarised_too() -> None:
    many = lines(*(f"the order number {n} of customer {n % 7} is late" for n in range(2000)))
    assert summary_of(many).count("order number") == 3
