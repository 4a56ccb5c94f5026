"""Subtitle cues: what any transcript's cues keep to, and where a reader expects them to be cut."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.messages.plain_text import one_line
from producers.transcripts.subtitles import (
    COLUMNS_PER_SECOND,
    LEFT_TO_RIGHT_MARK,
    LINE_COLUMNS,
    MAX_SECONDS,
    MIN_SECONDS,
    RIGHT_TO_LEFT_MARK,
    Cue,
    columns,
    cues,
    opens_right_to_left,
    reads_right_to_left,
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
    """Whatever a transcript holds, however out of order; those who speak at once are shown in turn."""
    found = cues(transcript)
    check_form(found)
    said = "".join(one_line(s.text) for s in transcript.segments)
    assert Counter(letters("".join("".join(cue.lines) for cue in found))) == Counter(letters(said))


def check_form(found: Sequence[Cue]) -> None:
    """What holds for every cue: two lines, 84 columns, 0.8 to 7 seconds, each in the direction of what is said."""
    for cue in found:
        assert 1 <= len(cue.lines) <= 2
        assert all(line and columns(line) <= LINE_COLUMNS for line in shown(cue))
        assert cue.start >= 0
        assert MIN_SECONDS - 1e-6 <= cue.end - cue.start <= MAX_SECONDS + 1e-6
        leftwards = reads_right_to_left(" ".join(cue.lines))
        assert all(opens_right_to_left(line) is leftwards for line in shown(cue))
    assert [cue.start for cue in found] == sorted(cue.start for cue in found)


SCRIPTS = {
    "en": "abcé ,.?!-'",
    "he": "שלום ־,.\u05b8\u05d1",
    "ar": "مرحبا ،؟",
    "zh": "我们讨论。，「」API",
    "ja": "きょうはアップー。、",
    "th": "สวัสดีครับ่้็ ",
    "km": "ស្វាគមន៍",
}
AT_ODDS = st.one_of(st.floats(0, 60), st.floats(-5, 4000), st.sampled_from([0.0, 1.0, 1e6]))


@st.composite
def odd_segments(draw: st.DrawFn) -> Segment:
    """One whose words are as long as a sentence, and whose times contradict each other."""
    language = draw(st.sampled_from(sorted(SCRIPTS)))
    said = st.text(SCRIPTS[language], max_size=150)
    words = draw(st.lists(st.builds(Word, start=AT_ODDS, end=AT_ODDS, text=said), max_size=8).map(tuple))
    text = joined(words, language) if draw(st.booleans()) else draw(said)
    speaker = draw(st.none() | st.sampled_from(["A", "SPEAKER_00", "שרה", "x" * 60]))
    return Segment(start=draw(AT_ODDS), end=draw(AT_ODDS), text=text, speaker=speaker, words=words, language=language)


@given(st.lists(odd_segments(), max_size=6))
def test_no_script_and_no_impossible_time_makes_a_cue_that_cannot_be_read(segments: list[Segment]) -> None:
    """Languages without blanks, words that are longer than a screen, names of either direction."""
    found = cues(transcript_of(*segments))
    check_form(found)
    for segment in segments:
        (alone, *more) = [*cues(transcript_of(segment)), None]
        shown_all = [cue for cue in (alone, *more) if cue]
        assert letters("".join("".join(cue.lines) for cue in shown_all)) == letters(one_line(segment.text))
        assert all(cue.end <= following.start + 1e-6 for cue, following in pairwise(shown_all))


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
    check_form(found)
    for cue, following in pairwise(found):
        assert cue.end <= following.start + 1e-9
        needed = min(MAX_SECONDS, max(MIN_SECONDS, sum(map(columns, cue.lines)) / COLUMNS_PER_SECOND))
        assert cue.end - cue.start >= needed - 1e-9 or cue.end == following.start
    assert letters("".join("".join(cue.lines) for cue in found)) == letters("".join(said))


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


def test_flashes_one_behind_the_other_are_each_shown_long_enough() -> None:
    """By the time of whoever has more than it takes to read; nothing is shown before the one that was said before."""
    calls = [("Yes.", 5.0, 5.1), ("No!", 5.1, 5.2), ("Yes.", 5.2, 5.3)]
    flashes = [
        Segment(start=a, end=b, text=t, speaker=str(n), words=(Word(start=a, end=b, text=t),))
        for n, (t, a, b) in enumerate(calls)
    ]
    around = (
        spoken("One two three four five six seven.", 5.0 - 7 / 2.5, speaker="A"),
        spoken("Go on.", 5.3, speaker="B"),
    )
    found = cues(transcript_of(around[0], *flashes, around[1]))
    assert [cue.lines[0][:4] for cue in found] == ["One ", "Yes.", "No!", "Yes.", "Go o"]
    check_form(found)
    assert all(cue.end <= following.start + 1e-6 for cue, following in pairwise(found))
    assert found[1].start < 5.0  # the sentence before needs less time than it has


@pytest.mark.parametrize(
    ("text", "language", "never_first"),
    [
        ("ขอบคุณครับที่มาในวันนี้น้ำที่นี่เย็นมากเลยใช่ไหมครับ" * 3, "th", "่้็ิีึืุู์ั"),
        ("「おはよう」、と彼は言った。「今日は、いい天気ですね」！" * 4, "ja", "。、」！"),
    ],
)
@pytest.mark.parametrize("words", [True, False], ids=["words of a letter", "no words"])
def test_a_line_begins_with_nothing_that_belongs_to_the_letter_before(
    text: str, language: str, never_first: str, words: bool
) -> None:
    """Marks above and below, closing brackets, commas; nor does an opening bracket end one."""
    each = tuple(Word(start=n / 8, end=(n + 1) / 8, text=c, space_before=False) for n, c in enumerate(text))
    segment = Segment(start=0, end=len(text) / 8, text=text, words=each if words else ())
    found = cues(transcript_of(segment, language=language))
    lines = [line for cue in found for line in cue.lines]
    assert "".join(lines) == text
    assert not [line for line in lines if line[0] in never_first or line[-1] == "「"]


def test_latin_words_in_a_script_without_blanks_are_not_parted() -> None:
    text = "我们今天讨论PostgreSQL和Kafka的区别还有OpenTelemetry2026年的计划" * 3
    lines = [
        line for cue in cues(transcript_of(Segment(start=0, end=30, text=text), language="zh")) for line in cue.lines
    ]
    parts = set(re.findall(r"[A-Za-z0-9]+", "\n".join(lines)))
    assert parts == {"PostgreSQL", "Kafka", "OpenTelemetry2026"}


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
    [
        ("שלום OpenAI ושלום Kafka לכולם.", True),
        ("שלום לכולם.", True),
        ("OpenAI הכריזה היום.", True),
        ("مرحبا", True),
        ("Hello.", False),
        ("123 Hello", False),
    ],
)
def test_a_line_of_a_right_to_left_script_stays_one_behind_a_latin_name(text: str, marked: bool) -> None:
    """Players take the direction of a line from its first letter."""
    (cue,) = cues(transcript_of(spoken(text, speaker="SPEAKER_00"), language="he"))
    assert shown(cue)[0].startswith(RIGHT_TO_LEFT_MARK) is marked


def test_a_line_from_left_to_right_stays_one_behind_a_hebrew_name() -> None:
    (cue,) = cues(transcript_of(spoken("Hello, all of you.", speaker="שרה")))
    assert shown(cue) == (f"{LEFT_TO_RIGHT_MARK}שרה: Hello, all of you.",)
