"""Blanks between words: the line is what the model wrote, and no word is torn."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.speech.spacing import PASSAGE, inserted, is_unspaced, tidy, unrepeated
from schemas.transcript import Word, joined

# (language, what Whisper's tokenizer makes of a text, the words of the transcript), all written with "|" between
SAID = (
    ("en", " The| open|-source| one|,| $1|,250|.50,", "The|open-source|one,|$1,250.50,"),
    ("en", " a|.m.,| john|_doe|@example|.com.| AT|&T,| 24|/7,| state|-of|-the|-art.", None),
    ("en", " five| o|'clock|;| It's", "five|o'clock;|It's"),
    ("fr", " L|'homme| aujourd|'hui,| qu|'est|-ce| dit| ?", "L'homme|aujourd'hui,|qu'est-ce|dit|?"),
    ("it", " dell|'operatore| è| all|'ufficio", "dell'operatore|è|all'ufficio"),
    ("he", " צה|\"ל| ב|-10|:30| וצ|'ק| 1|,500", "צה\"ל|ב-10:30|וצ'ק|1,500"),
    ("uk", " П|'ять| об|'єктів", "П'ять|об'єктів"),
    ("ar", " قال| 1|,250| ريال", "قال|1,250|ريال"),
    ("ja", "彼|は|3.|5|%|と|言|った。|Open|AI| API|を", "彼|は|3.5%|と|言|った。|OpenAI|API|を"),
    ("zh", "Hello,| how| t|od|ay?| 我|们|用|Open|AI| API。", "Hello,|how|today?|我|们|用|OpenAI|API。"),
    ("th", "ร|ั|ก| Hello", "รั|ก|Hello"),
    ("ko", " 오늘은| 3|.5|%", "오늘은|3.5%"),
)


def words_of(passage: str) -> list[Word]:
    """What a model said in one go, as the engine hands it on; each word takes half a second."""
    texts = passage.split("|")
    begin = "" if texts[0][:1].isspace() else PASSAGE
    return [
        Word(start=place / 2, end=(place + 1) / 2, text=(begin if place == 0 else "") + text)
        for place, text in enumerate(texts)
    ]


@pytest.mark.parametrize(("language", "passage", "expected"), SAID)
def test_the_line_is_what_the_model_wrote(language: str, passage: str, expected: str | None) -> None:
    found = tidy(words_of(passage), 100.0)
    assert joined(found, language) == passage.replace("|", "").strip()
    assert expected is None or [word.text for word in found] == expected.split("|")


letters = st.sampled_from("ab1Zé'-.,%$@_\"אבщ우")
blank = st.sampled_from(["", " "])


@given(st.lists(st.builds(str.__add__, blank, st.text(letters, min_size=1, max_size=4)), min_size=1, max_size=8))
def test_any_line_is_what_the_model_wrote(texts: list[str]) -> None:
    passage = "|".join(texts)
    assert joined(tidy(words_of(passage), 100.0), "en") == "".join(texts).strip()


@given(st.lists(st.builds(str.__add__, blank, st.text("אa彼は。1", min_size=1, max_size=4)), min_size=1, max_size=8))
def test_any_line_is_what_the_model_wrote_between_scripts(texts: list[str]) -> None:
    """However a language that writes no blanks is mixed with others."""
    assert joined(tidy(words_of("|".join(texts)), 100.0), "ja") == "".join(texts).strip()


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        (" so", "and", "so and"),
        ("彼は。", "彼は。", "彼は。彼は。"),
        ("彼は。", "Hello", "彼は。 Hello"),
        (" one", " two", "one two"),
    ],
)
def test_between_two_passages_stands_a_blank_where_the_script_has_one(first: str, second: str, line: str) -> None:
    """Words of two windows are never glued, whatever the second one begins with."""
    assert joined(tidy([*words_of(first), *words_of(second)], 100.0), "ja") == line


def test_a_glued_word_has_the_times_of_all_its_parts_and_the_least_probability() -> None:
    raw = [
        Word(start=0.0, end=0.5, text=" open", probability=0.9),
        Word(start=0.5, end=1.25, text="-source", probability=0.4),
    ]
    assert tidy(raw, 2.0) == (Word(start=0.0, end=1.25, text="open-source", probability=0.4, space_before=True),)


def test_words_are_tidied() -> None:
    """Halves of characters, times out of order or out of the recording, probabilities beyond their range."""
    raw = [
        Word(start=-0.2, end=0.5, text=" hello ", probability=1.0001),
        Word(start=0.3, end=0.2, text=" the\ufffdre"),
        Word(start=0.1, end=0.4, text=" "),
        Word(start=0.1, end=9.0, text=" end"),
    ]
    assert tidy(raw, 2.0) == (
        Word(start=0.0, end=0.5, text="hello", probability=1.0, space_before=True),
        Word(start=0.3, end=0.3, text="there", space_before=True),
        Word(start=0.3, end=2.0, text="end", space_before=True),
    )


@pytest.mark.parametrize("character", "彼はカ。、Ａ我ไລမខ")
def test_scripts_without_blanks_are_known(character: str) -> None:
    assert is_unspaced(character), unicodedata.name(character)


@pytest.mark.parametrize("character", "aЖאق우1-'\n\x00")
def test_other_scripts_have_blanks(character: str) -> None:
    assert not is_unspaced(character)


def test_words_heard_elsewhere_are_put_in_by_time_and_glued_to_nobody() -> None:
    """Even where the model went on in the middle of a word."""
    first = [Word(start=0, end=1, text=" open"), Word(start=4, end=5, text="-source")]
    more = [Word(start=2, end=3, text=PASSAGE + "you"), Word(start=3, end=3.5, text="'re")]
    assert joined(tidy(inserted(first, more), 10.0), "en") == "open you're -source"
    assert inserted(first, []) == first


@pytest.mark.parametrize(
    ("before", "again", "after", "kept"),
    [
        (" drop the two", " Two figures", " then rest", "figures"),  # the last word had too short a time
        (" so", " we begin then", " Then rest", "we begin"),
        (" one two", " one two", " three", ""),
        (" one", " two three", " four", "two three"),
        (" no", " no no", " yes", "no"),
    ],
)
def test_what_was_heard_already_is_not_said_twice(before: str, again: str, after: str, kept: str) -> None:
    def at(text: str, start: float) -> list[Word]:
        return [Word(start=start + n, end=start + n + 0.5, text=f" {word}") for n, word in enumerate(text.split())]

    words = [*at(before, 0), *at(after, 20)]
    assert [word.text.strip() for word in unrepeated(words, at(again, 10))] == kept.split()
