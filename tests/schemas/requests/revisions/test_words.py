"""Words of corrected segments: their text is the segment's, and their times are where they must have been said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.requests.revisions.words import MOST_PAIRS, realigned
from schemas.transcript import Segment, Word, joined
from tests.schemas.requests.revisions.drawing import in_order, languages, segments, texts

SAID = Segment(
    start=0.0,
    end=5.0,
    text="helo big wrld now",
    speaker="SPEAKER_00",
    words=(
        Word(start=0.5, end=1.0, text="helo", probability=0.5, speaker="SPEAKER_00"),
        Word(start=1.0, end=1.5, text="big", probability=0.5, speaker="SPEAKER_00"),
        Word(start=2.0, end=3.0, text="wrld", probability=0.5, speaker="SPEAKER_00"),
        Word(start=4.0, end=4.5, text="now", probability=0.5, speaker="SPEAKER_00"),
    ),
)


def told_apart(words: tuple[Word, ...]) -> list[tuple[str, float, float]]:
    return [(word.text, word.start, word.end) for word in words]


@given(data=st.data(), language=languages, text=texts)
def test_words_make_their_text_in_order_and_within_their_segment(data: st.DataObject, language: str, text: str) -> None:
    segment = data.draw(segments(language))
    words = realigned(segment, text, language)
    if segment.words:
        assert joined(words, language) == text
    else:
        assert words == ()
    assert in_order(words, segment)


@given(data=st.data(), language=languages)
def test_the_same_text_keeps_all_words_as_they_are(data: st.DataObject, language: str) -> None:
    segment = data.draw(segments(language))
    text = joined(segment.words, language)
    assert realigned(segment, text, language) == segment.words


@given(data=st.data(), language=languages, text=texts)
def test_a_word_whose_probability_is_known_is_one_of_the_machines_with_its_times(
    data: st.DataObject, language: str, text: str
) -> None:
    segment = data.draw(segments(language))
    heard = [(word.text, word.start, word.end) for word in segment.words]
    kept = [(word.text, word.start, word.end) for word in realigned(segment, text, language) if word.probability]
    rest = iter(heard)
    assert all(word in rest for word in kept)  # in their order


def test_a_word_in_the_place_of_another_takes_its_time() -> None:
    words = realigned(SAID, "Hello big world now", "en")
    assert told_apart(words) == [("Hello", 0.5, 1.0), ("big", 1.0, 1.5), ("world", 2.0, 3.0), ("now", 4.0, 4.5)]
    assert [word.probability for word in words] == [None, 0.5, None, 0.5]
    assert {word.speaker for word in words} == {"SPEAKER_00"}


def test_words_in_the_place_of_fewer_share_their_time_by_length() -> None:
    words = realigned(SAID, "helo big wide one now", "en")
    assert told_apart(words)[2:4] == [("wide", 2.0, 2.571), ("one", 2.571, 3.0)]


def test_words_between_others_lie_in_the_pause_between_them() -> None:
    assert ("but", 3.0, 4.0) in told_apart(realigned(SAID, "helo big wrld but now", "en"))
    assert ("oh", 0.0, 0.5) in told_apart(realigned(SAID, "oh helo big wrld now", "en"))
    assert ("then", 4.5, 5.0) in told_apart(realigned(SAID, "helo big wrld now then", "en"))


def test_words_that_are_taken_out_leave_the_others_where_they_are() -> None:
    assert told_apart(realigned(SAID, "big now", "en")) == [("big", 1.0, 1.5), ("now", 4.0, 4.5)]
    assert realigned(SAID, "", "en") == ()


def test_what_is_written_without_blanks_is_compared_by_its_letters() -> None:
    said = Segment(
        start=0.0,
        end=3.0,
        text="你好世界",
        words=(Word(start=0.0, end=1.0, text="你好"), Word(start=2.0, end=3.0, text="世界")),
    )
    words = realigned(said, "你好新世界", "zh")
    assert told_apart(words) == [("你好", 0.0, 1.0), ("新", 1.0, 2.0), ("世界", 2.0, 3.0)]
    assert joined(words, "zh") == "你好新世界"


def test_a_mark_stays_with_its_letter() -> None:
    said = Segment(start=0.0, end=1.0, text="x", words=(Word(start=0.0, end=1.0, text="x"),))
    assert [word.text for word in realigned(said, "\u0e01\u0e34\u0e19", "th")] == ["\u0e01\u0e34", "\u0e19"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_word_many_times_is_not_compared_pair_by_pair(language: str) -> None:
    """It would take minutes; its words are spread over the time of those in whose place they stand."""
    many = int(MOST_PAIRS**0.5) + 2
    words = tuple(Word(start=float(n), end=n + 1.0, text="a") for n in range(many))
    said = Segment(start=0.0, end=float(many), text=joined(words, language), words=words)
    text = joined([Word(start=0, end=0, text=letter) for letter in "x" + "a" * (many - 2) + "yz"], language)
    found = realigned(said, text, language)
    assert joined(found, language) == text
    assert in_order(found, said)
