"""Words x turns: every word once, order kept, the right speaker, readable segments."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.speech.merge import (
    LEAST_OF_WORD,
    LONGEST,
    NOBODY,
    PAUSE,
    PAUSE_AFTER_SENTENCE,
    REACH,
    Turn,
    assign,
    distance,
    merge,
    named,
    segments_of,
    without_words,
)
from producers.transcripts.subtitles import cues
from schemas.transcript import Segment, Transcript, Word, joined


def word(start: float, end: float, text: str = "w", speaker: str | None = None) -> Word:
    return Word(start=start, end=end, text=text, speaker=speaker)


def speakers(words: list[Word], turns: list[Turn]) -> list[str | None]:
    return [item.speaker for item in assign(words, turns)]


TWO = [Turn(0.0, 2.0, "b"), Turn(3.0, 5.0, "a")]


def test_a_word_goes_to_the_turn_that_overlaps_it_most() -> None:
    assert speakers([word(0.5, 1.0), word(1.8, 3.9), word(4.0, 4.5)], TWO) == ["b", "a", "a"]


def test_a_word_between_turns_goes_to_the_nearest_boundary() -> None:
    """Boundaries count, not middles: a long turn's middle is far from its words."""
    long = [Turn(0.0, 60.0, "a"), Turn(62.0, 63.0, "b")]
    assert speakers([word(60.3, 60.5), word(61.6, 61.8)], long) == ["a", "b"]


def test_a_word_far_from_everybody_is_nobodys() -> None:
    assert speakers([word(10.0, 10.5)], TWO) == [None]


def test_words_without_length_have_speakers_too() -> None:
    """Alignment leaves some words with one moment for start and end."""
    assert speakers([word(1.0, 1.0), word(2.0, 2.0), word(2.9, 2.9), word(3.0, 3.0)], TWO) == ["b", "b", "a", "a"]


def test_a_doubtful_island_joins_its_surroundings() -> None:
    """A word at the edge of somebody's breath is no change of speakers."""
    turns = [Turn(0.0, 1.0, "a"), Turn(1.0, 1.05, "b"), Turn(1.1, 3.0, "a")]
    assert speakers([word(0.5, 0.9), word(0.98, 1.09), word(1.2, 1.5)], turns) == ["a", "a", "a"]


def test_a_clear_interjection_stays() -> None:
    turns = [Turn(0.0, 1.0, "a"), Turn(1.0, 1.3, "b"), Turn(1.3, 3.0, "a")]
    assert speakers([word(0.5, 0.9), word(1.02, 1.28), word(1.4, 1.8)], turns) == ["a", "b", "a"]


moments = st.integers(0, 400).map(lambda n: n / 10)


@st.composite
def exclusive_turns(draw: st.DrawFn) -> list[Turn]:
    """Turns in order that do not overlap."""
    edges = sorted(draw(st.sets(moments, max_size=16)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return [Turn(start, end, draw(st.sampled_from("abc"))) for start, end in pairs]


words = st.lists(
    st.builds(lambda s, d: word(s, s + d), moments, st.sampled_from([0.0, 0.05, 0.3, 1.0, 4.0])), max_size=20
).map(lambda found: sorted(found, key=lambda item: item.start))


@given(words, exclusive_turns())
def test_the_sweep_is_the_rule(words: list[Word], turns: list[Turn]) -> None:
    """Against the rule written as a search over everything: overlap first, else the nearest within reach.

    Smoothing may only give a word the speaker of a neighbour, and only to short islands.
    """
    found = assign(words, turns)
    assert [(item.start, item.end, item.text) for item in found] == [(i.start, i.end, i.text) for i in words]
    for index, item in enumerate(found):
        shared = {turn: min(item.end, turn.end) - max(item.start, turn.start) for turn in turns}
        most = max(shared.values(), default=-1.0)
        near = min((distance(item, turn) for turn in turns), default=REACH + 1)
        allowed: set[str | None] = {turn.speaker for turn in turns if shared[turn] == most > 0}
        if most <= 0:
            allowed = {turn.speaker for turn in turns if distance(item, turn) == near <= REACH} or {None}
        neighbours = {found[at].speaker for at in (index - 2, index - 1, index + 1, index + 2) if 0 <= at < len(found)}
        assert item.speaker in allowed | neighbours


def test_segments_end_where_a_reader_expects_it() -> None:
    """Another speaker, silence, the end of a sentence after a while, and at the latest after LONGEST."""
    assert len(segments_of([word(0, 1, speaker="a"), word(1, 2, speaker="b")], "en")) == 2
    assert len(segments_of([word(0, 1), word(2.1, 3)], "en")) == 2
    assert len(segments_of([word(0, 1, "end."), word(1, 2)], "en")) == 1
    assert len(segments_of([word(0, 12.5, "end."), word(12.6, 13)], "en")) == 2
    assert len(segments_of([word(0, LONGEST - 1), word(LONGEST - 1, LONGEST + 1)], "en")) == 2


@given(words, exclusive_turns())
def test_no_word_is_lost_in_segments(words: list[Word], turns: list[Turn]) -> None:
    spoken = assign(words, turns)
    segments = segments_of(spoken, "en")
    assert [item for segment in segments for item in segment.words] == list(spoken)
    assert all({item.speaker for item in segment.words} == {segment.speaker} for segment in segments)
    assert all(segment.end >= max(item.end for item in segment.words) for segment in segments)


def test_a_word_says_itself_whether_a_blank_stands_before_it() -> None:
    """In Chinese text that quotes English, and where an older version did not say, the language does."""
    pair = [word(0, 1, "用"), word(1, 2, "OpenAI"), replace(word(2, 3, "API"), space_before=True)]
    assert joined(pair, "zh") == "用OpenAI API"
    assert joined([pair[0], replace(pair[1], space_before=False)], "en") == "用OpenAI"


def test_another_language_is_a_segment_of_its_own_and_stays_one() -> None:
    """Also when the words are cut anew by their speakers."""
    said = [word(0, 1, "hello"), replace(word(1.1, 2, "ciao"), language="it"), word(2.1, 3, "bye")]
    spoken = Transcript(language="en", duration=3, segments=segments_of(said, "en"))
    for found in (spoken, merge(spoken, [Turn(0, 3, "a")])):
        assert [(s.language, s.text) for s in found.segments] == [("en", "hello"), ("it", "ciao"), ("en", "bye")]
        assert not any(w.language for s in found.segments for w in s.words)


def test_languages_without_spaces_are_joined_without() -> None:
    pair = [word(0, 1, "你好"), word(1, 2, "世界")]
    assert (joined(pair, "zh"), joined(pair, "en")) == ("你好世界", "你好 世界")


def transcript(*segments: Segment) -> Transcript:
    return Transcript(language="en", duration=10.0, segments=segments)


def test_speakers_are_named_by_first_appearance() -> None:
    spoken = transcript(Segment(start=0, end=5, text="w w", words=(word(1.0, 1.5), word(3.5, 4.0))))
    merged = merge(spoken, TWO)
    assert [(s.speaker, s.words[0].speaker) for s in merged.segments] == [
        ("SPEAKER_00", "SPEAKER_00"),
        ("SPEAKER_01", "SPEAKER_01"),
    ]


def test_words_that_no_turn_covers_keep_their_times() -> None:
    """A speaker is borrowed from the nearest turn, a time is not: the diarizer may have missed what was said."""
    said = (word(1.0, 1.4), word(3.9, 4.2, "yes"), word(4.3, 4.5), word(4.6, 4.9), word(6.5, 6.8))
    spoken = transcript(Segment(start=1.0, end=6.8, text="w yes w w w", words=said))
    merged = merge(spoken, [Turn(0.8, 2.0, "a"), Turn(6.0, 7.0, "b")])
    times = [(w.start, w.end) for segment in merged.segments for w in segment.words]
    assert times[1:4] == [(3.9, 4.2), (4.3, 4.5), (4.6, 4.9)]
    assert times[0] == (0.8, 2.0)  # the only one of its turn, so it reaches to both ends


@pytest.mark.parametrize(
    ("said", "until", "segments"),
    [
        ("Hello", 3.0 - PAUSE + 0.1, 1),
        ("Hello", 3.0 - PAUSE - 0.1, 2),
        ("Hello.", 3.0 - PAUSE_AFTER_SENTENCE + 0.1, 1),
        ("Hello.", 3.0 - PAUSE_AFTER_SENTENCE - 0.1, 2),
    ],
)
def test_a_segment_ends_where_its_speaker_pauses(said: str, until: float, segments: int) -> None:
    """As the turns have it: the times of words hide short silences."""
    spoken = transcript(Segment(start=1, end=3.5, text="", words=(word(1.0, 2.9, said), word(2.9, 3.5))))
    merged = merge(spoken, [Turn(1.0, until, "a"), Turn(3.0, 4.0, "a")])
    assert [s.text for s in merged.segments] == ([f"{said} w"] if segments == 1 else [said, "w"])
    assert merged.segments[0].end == pytest.approx(4.0 if segments == 1 else until)


def test_two_who_speak_at_once_have_both_their_time() -> None:
    """Words go by turns that exclude each other, segments reach as far as the voices do."""
    spoken = transcript(Segment(start=0, end=5, text="", words=(word(0.5, 1.9), word(2.0, 4.5, "yes"))))
    merged = merge(spoken, [Turn(0.2, 2.0, "a", until=2.6), Turn(2.0, 4.8, "b", since=1.7)])
    assert [(s.start, s.end, s.text) for s in merged.segments] == [(0.2, 2.6, "w"), (1.7, 4.8, "yes")]
    assert [(w.start, w.end) for s in merged.segments for w in s.words] == [(0.2, 2.0), (2.0, 4.8)]


def test_no_word_lasts_as_long_as_its_voice_is_heard_beside_another() -> None:
    """Nor does its subtitle: the diarizer hears somebody laugh while another one speaks."""
    said = (word(0.5, 1.2, "yes"), word(1.5, 1.9, "well."), *(word(2 + n, 3.0 + n, "no") for n in range(8)))
    spoken = transcript(Segment(start=0.5, end=10, text="", words=said))
    merged = merge(spoken, [Turn(0.5, 2, "a", until=10), Turn(2, 10, "b")])
    times = [(w.start, w.end) for s in merged.segments for w in s.words]
    assert times == [(0.5, 1.2), (1.5, 2.0), *((w.start, w.end) for w in said[2:])]
    assert [(s.speaker, s.start, s.end) for s in merged.segments] == [("SPEAKER_00", 0.5, 10), ("SPEAKER_01", 2, 10)]
    shown = cues(merged)
    assert all(before.end <= after.start for before, after in pairwise(shown))


@pytest.mark.parametrize(
    ("said", "fitted"),
    [
        (word(-0.5, 0.6), (0.5, 0.6)),  # hardly any of it is in the turn
        (word(1.0, 2.3), (0.5, 2.0)),  # the alignment went on into the pause
        (word(-0.2, 1.0), (0.5, 2.0)),
        (word(1.7, 1.75), (1.7, 2.0)),
    ],
)
def test_a_word_is_fitted_to_its_turn_and_stays_one(said: Word, fitted: tuple[float, float]) -> None:
    merged = merge(transcript(Segment(start=0, end=3, text="w", words=(said,))), [Turn(0.5, 2.0, "a")])
    (found,) = (w for s in merged.segments for w in s.words)
    assert (found.start, found.end) == fitted


@given(words, exclusive_turns(), st.lists(st.tuples(moments, moments), min_size=8, max_size=8))
def test_only_segments_last_as_long_as_voices(
    words: list[Word], turns: list[Turn], reaches: list[tuple[float, float]]
) -> None:
    """However far they reach beside others, the words are the same; none shrinks to nothing."""
    heard = [replace(t, since=min(t.start, a), until=max(t.end, b)) for t, (a, b) in zip(turns, reaches, strict=False)]
    spoken = transcript(Segment(start=0, end=50, text="", words=tuple(words)))
    merged, alone = (_by_words(merge(spoken, found)) for found in (heard, turns))
    assert merged.keys() == alone.keys()
    least = min((w.end - w.start for w in words), default=0)
    for said, segment in merged.items():
        assert all(w.end - w.start >= min(LEAST_OF_WORD, least) - 1e-9 for w in said)
        assert segment.start <= alone[said].start
        assert segment.end >= alone[said].end


def _by_words(merged: Transcript) -> dict[tuple[Word, ...], Segment]:
    """Segments by their words; who is named first may change with the order of segments."""
    return {tuple(replace(w, speaker=None) for w in s.words): s for s in merged.segments}


def test_no_turns_mean_no_speakers_and_a_warning() -> None:
    spoken = transcript(Segment(start=0, end=2, text="w", words=(word(1.0, 1.5),)))
    merged = merge(spoken, [])
    assert merged.speakers == ()
    assert merged.warnings == (NOBODY,)
    assert merge(transcript(), []).warnings == ()


def test_segments_without_words_keep_their_text() -> None:
    """Whoever speaks most of the time has said it."""
    merged = merge(transcript(Segment(start=0, end=4.5, text="all of it")), TWO)
    assert [(s.text, s.speaker) for s in merged.segments] == [("all of it", "SPEAKER_00")]


def test_nobody_stays_nobody() -> None:
    """Naming invents no speaker; dropping words keeps everything else."""
    spoken = transcript(Segment(start=0, end=1, text="w", words=(word(0, 1),)))
    assert named(spoken) == spoken
    assert without_words(spoken) == replace(spoken, segments=(replace(spoken.segments[0], words=()),))


@pytest.mark.parametrize("count", [0, 1])
def test_empty_input_is_legal(count: int) -> None:
    assert assign([], TWO[:count]) == ()
    assert segments_of([], "en") == ()
