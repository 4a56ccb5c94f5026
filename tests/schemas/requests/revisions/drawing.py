"""Drawn transcripts and corrections of them, for tests of rules that hold for all."""

from itertools import accumulate, pairwise

from hypothesis import strategies as st

from schemas.requests.revisions.changes import SegmentEdit, TranscriptChanges
from schemas.requests.revisions.resolution import one_line
from schemas.transcript import Segment, Transcript, Word, joined

LABELS = ("SPEAKER_00", "SPEAKER_01", "SPEAKER_02")
# some are parts of others, some are marks that stand on a letter, some are written from right to left
_PARTS = ("a", "b", "ab", "b,", "שלום", "ש\u05b8", "你", "好", "\u0e01\u0e34", "10 000", "A1")
texts = st.lists(st.sampled_from((*_PARTS, "", " ", "\n")), max_size=8).map(lambda parts: one_line(" ".join(parts)))
languages = st.sampled_from(("en", "he", "zh", "th"))
_steps = st.floats(0, 3, allow_nan=False).map(lambda seconds: round(seconds, 3))


@st.composite
def segments(draw: st.DrawFn, language: str) -> Segment:
    """A segment whose words follow each other within it, with and without times of words."""
    parts = draw(st.lists(st.sampled_from(_PARTS), max_size=6))
    times = [*accumulate(draw(st.lists(_steps, min_size=2 * len(parts) + 2, max_size=2 * len(parts) + 2)))]
    speaker = draw(st.sampled_from((None, *LABELS)))
    words = tuple(
        Word(
            start=start,
            end=end,
            text=part,
            probability=0.5,
            speaker=speaker,
            space_before=draw(st.sampled_from((None, None, True, False))),
        )
        for part, start, end in zip(parts, times[1::2], times[2::2], strict=False)
    )
    text = one_line(joined(words, language))
    return Segment(start=times[0], end=times[-1], text=text, speaker=speaker, words=draw(st.sampled_from((words, ()))))


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """A transcript of some segments."""
    language = draw(languages)
    found = draw(st.lists(segments(language), min_size=1, max_size=4))
    return Transcript(language=language, duration=100.0, segments=tuple(found))


@st.composite
def changes(draw: st.DrawFn, machine: Transcript) -> TranscriptChanges:
    """A request that names only what is there: speakers by their labels, each segment once."""
    labels = machine.speakers
    named = draw(st.lists(st.sampled_from(labels), unique=True)) if labels else []
    speakers = {label: draw(st.sampled_from(("Anna", "Ben", "דנה", label))) for label in named}
    places = draw(st.lists(st.sampled_from(range(len(machine.segments))), unique=True, max_size=3))
    edits = (
        SegmentEdit(
            index=place,
            text=draw(st.none() | texts),
            speaker=draw(st.none() | st.sampled_from(labels)) if labels else None,
        )
        for place in places
    )
    return TranscriptChanges(speakers, tuple(edits))


def in_order(words: tuple[Word, ...], segment: Segment) -> bool:
    """Whether words follow each other in time, and lie within their segment."""
    times = [segment.start, *(time for word in words for time in (word.start, word.end)), segment.end]
    return all(earlier <= later for earlier, later in pairwise(times))
