"""Subtitle cues: what any transcript's cues keep to, and where a reader expects them to be cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.plain_text import one_line
from producers.subtitles import (
    COLUMNS_PER_SECOND,
    LINE_COLUMNS,
    MAX_SECONDS,
    MIN_SECONDS,
    RIGHT_TO_LEFT_MARK,
    columns,
    cues,
    shown,
)
from schemas.transcript import Segment, Transcript, Word, joined
from tests.strategies import transcripts

SPEECH = (
    "And so, my fellow Americans, ask not what your country can do for you; ask what you can do for your country."
    " My fellow citizens of the world: ask not what America will do for you, but what together we can do."
)


def spoken(text: str, start: float = 0.0, rate: float = 2.5, speaker: str | None = None) -> Segment:
    """A segment of words of the same length, `rate` a second."""
    words = tuple(
        Word(start=start + n / rate, end=start + (n + 0.9) / rate, text=word, speaker=speaker, space_before=True)
        for n, word in enumerate(text.split())
    )
    return Segment(start=start, end=words[-1].end, text=text, speaker=speaker, words=words)


def transcript_of(*segments: Segment, language: str = "en") -> Transcript:
    return Transcript(language=language, duration=3600.0, segments=segments)


def letters(text: str) -> str:
    """A text without blanks, which a line break may stand for."""
    return "".join(text.split())


@given(transcripts())
def test_cues_hold_all_that_was_said_and_fit_a_screen(transcript: Transcript) -> None:
    """Whatever a transcript holds, however out of order."""
    found = cues(transcript)
    said = "".join(one_line(s.text) for s in sorted(transcript.segments, key=lambda s: s.start))
    assert letters("".join("".join(cue.lines) for cue in found)) == letters(said)
    for cue in found:
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < columns(line) <= LINE_COLUMNS for line in shown(cue))
        assert 0 <= cue.start <= cue.end
        assert cue.end - cue.start <= MAX_SECONDS + MIN_SECONDS


texts = st.lists(st.text("abcé ,.?", min_size=1, max_size=60).filter(str.strip), min_size=1, max_size=12)


@given(texts, st.floats(0.5, 8.0))
def test_cues_of_words_in_order_do_not_overlap_and_are_long_enough_where_there_is_room(
    said: list[str], rate: float
) -> None:
    segments, clock = [], 0.0
    for text in said:
        segments.append(spoken(text, clock, rate))
        clock = segments[-1].end + 1.5
    found = cues(transcript_of(*segments))
    for cue, following in pairwise(found):
        assert cue.end <= following.start + 1e-9
        assert cue.end - cue.start <= MAX_SECONDS
        needed = min(MAX_SECONDS, max(MIN_SECONDS, sum(map(columns, cue.lines)) / COLUMNS_PER_SECOND))
        assert cue.end - cue.start >= needed - 1e-9 or cue.end == following.start


def test_a_speech_is_cut_at_sentences_and_clauses() -> None:
    assert [cue.lines for cue in cues(transcript_of(spoken(SPEECH)))] == [
        ("And so, my fellow Americans,",),
        ("ask not what your country can do for you;", "ask what you can do for your country."),
        ("My fellow citizens of the world:",),
        ("ask not what America will do for you,", "but what together we can do."),
    ]


def test_a_word_longer_than_a_line_is_parted_and_nothing_is_lost() -> None:
    word = "https://" + "a" * 200 + ".example"
    found = cues(transcript_of(spoken(f"see {word} now")))
    assert letters("".join("".join(cue.lines) for cue in found)) == letters(f"see{word}now")
    assert max(columns(line) for cue in found for line in cue.lines) <= LINE_COLUMNS


def test_letters_of_unspaced_scripts_take_two_columns_and_may_be_parted_anywhere() -> None:
    text = "我们今天讨论这个项目的进展。" * 8
    words = tuple(Word(start=n / 4, end=(n + 1) / 4, text=c, space_before=False) for n, c in enumerate(text))
    segment = Segment(start=0, end=words[-1].end, text=joined(words, "zh"), words=words)
    found = cues(transcript_of(segment, language="zh"))
    assert "".join("".join(cue.lines) for cue in found) == text
    assert all(len(line) <= LINE_COLUMNS // 2 for cue in found for line in cue.lines)
    assert all("".join(cue.lines).endswith("。") for cue in found)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_segment_without_words_is_shared_out_by_its_length(language: str) -> None:
    """For jobs that want no times of words."""
    found = cues(transcript_of(Segment(start=10, end=40, text=SPEECH), language=language))
    assert found[0].start == 10
    assert 39 < found[-1].end <= 41
    assert letters("".join("".join(cue.lines) for cue in found)) == letters(SPEECH)


def test_a_flash_of_a_word_is_shown_long_enough() -> None:
    flash = Segment(start=5, end=5.085, text="Yes.", words=(Word(start=5, end=5.085, text="Yes."),))
    (alone,) = cues(transcript_of(flash))
    assert (alone.start, alone.end) == (5, 5 + MIN_SECONDS)
    following = spoken("No, that is not it.", 5.1)
    first = cues(transcript_of(flash, following))[0]
    assert (round(first.start, 3), first.end) == (4.3, 5.1)


def test_a_speaker_is_named_where_the_voice_changes() -> None:
    found = cues(
        transcript_of(
            spoken("Hello. How are you?", 0, speaker="SPEAKER_00"),
            spoken("Well?", 5, speaker="SPEAKER_00"),
            spoken("Fine.", 8, speaker="SPEAKER_01"),
        )
    )
    assert [shown(cue)[0] for cue in found if cue.label] == ["SPEAKER_00: Hello. How are you?", "SPEAKER_01: Fine."]
    assert [cue.speaker for cue in found] == ["SPEAKER_00", "SPEAKER_00", "SPEAKER_01"]


def test_a_long_name_leaves_room_for_what_is_said() -> None:
    (cue,) = cues(
        transcript_of(spoken("Hello there, all of you.", speaker="Her Excellency the Ambassador of Somewhere"))
    )
    assert columns(shown(cue)[0]) <= LINE_COLUMNS
    assert cue.label.endswith("…")


@pytest.mark.parametrize(
    ("text", "marked"),
    [("שלום לכולם.", True), ("OpenAI הכריזה היום.", True), ("مرحبا", True), ("Hello.", False), ("123 Hello", False)],
)
def test_a_line_of_a_right_to_left_script_stays_one_behind_a_latin_name(text: str, marked: bool) -> None:
    """Players take the direction of a line from its first letter."""
    (cue,) = cues(transcript_of(spoken(text, speaker="SPEAKER_00"), language="he"))
    assert shown(cue)[0].startswith(RIGHT_TO_LEFT_MARK) is marked
