"""A transcript in OpenAI's shapes: languages without spaces, silence, more speakers than letters."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.api.openai.answers import answer, diarized, letters, pieces, spoken, text_of, verbose
from producers.api.openai.forms import Granularity, ResponseFormat
from schemas.events import Task
from schemas.transcript import Segment, Transcript
from schemas.vocabulary.languages import name_of
from tests.samples import TRANSCRIPT

SILENCE = Transcript(language="", duration=3.0, segments=())
BOTH = tuple(Granularity)


def said(*texts: str, language: str = "en") -> Transcript:
    segments = tuple(Segment(start=place, end=place + 1, text=text) for place, text in enumerate(texts))
    return Transcript(language=language, duration=len(texts), segments=segments)


@pytest.mark.parametrize(
    ("transcript", "text"),
    [
        (said("hello", " there\n", "", "you"), "hello there you"),
        (said("", "hello"), "hello"),
        (said("你好", "世界", language="zh"), "你好世界"),
        (SILENCE, ""),
    ],
)
def test_the_text_is_one_line(transcript: Transcript, text: str) -> None:
    assert text_of(transcript) == "".join(pieces(transcript)) == text


@pytest.mark.parametrize("form", list(ResponseFormat))
@pytest.mark.parametrize("transcript", [SILENCE, TRANSCRIPT], ids=["silence", "speech"])
def test_every_form_of_any_transcript(form: ResponseFormat, transcript: Transcript) -> None:
    """Silence is an answer too."""
    body, media_type = answer(transcript, form, Task.TRANSCRIBE, BOTH)
    assert isinstance(body, str)
    assert media_type.startswith(("application/", "text/"))


@given(st.integers(0, 2000))
def test_speakers_have_different_letters(place: int) -> None:
    assert letters(place).isalpha()
    assert letters(place).isupper()
    assert letters(place) != letters(place + 1)


def test_letters_go_on_behind_the_last() -> None:
    assert [letters(place) for place in (0, 25, 26, 27, 52, 702)] == ["A", "Z", "AA", "AB", "BA", "AAA"]


def test_a_segment_of_nobody_says_so() -> None:
    """As when the diarization failed."""
    assert [segment.speaker for segment in spoken(TRANSCRIPT)] == ["A", "unknown"]
    assert diarized(replace(TRANSCRIPT, segments=TRANSCRIPT.segments[1:])).segments[0].speaker == "unknown"


def test_numbers_that_are_not_known_are_constant() -> None:
    segments = verbose(TRANSCRIPT, Task.TRANSCRIBE, BOTH).segments
    assert segments is not None
    assert [(s.tokens, s.temperature, s.no_speech_prob) for s in segments] == [([], 0.0, 0.0)] * 2
    assert [s.avg_logprob for s in segments] == [pytest.approx(-0.693, abs=0.001), 0.0]


@pytest.mark.parametrize(
    ("code", "name"),
    [("en", "english"), ("he", "hebrew"), ("es", "spanish"), ("my", "myanmar"), ("ht", "haitian creole"), ("xx", "xx")],
)
def test_languages_have_the_names_of_whisper(code: str, name: str) -> None:
    assert name_of(code) == name
