"""Transcripts as text: what any transcript keeps, and how one looks exactly."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given

from producers.messages.plain_text import one_line
from producers.transcripts.rendering import CONTENT_TYPES, Format, clock, render
from schemas.transcript import Segment, Transcript
from schemas.wire.serde import transcript_from_json
from tests.strategies import transcripts

TWO = Transcript(
    language="en",
    duration=4000.0,
    segments=(
        Segment(start=0.25, end=1.5, text=" Hello <there> & -->\n\n2\n ", speaker="SPEAKER_00"),
        Segment(start=3661.9996, end=3661.9996, text="שלום", speaker="A > B"),
        Segment(start=3700, end=3701, text="alone"),
    ),
)
SPAN = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3})")


def test_txt() -> None:
    assert render(TWO, Format.TXT) == (
        "[00:00:00] SPEAKER_00: Hello <there> & --> 2\n[01:01:02] A > B: שלום\n[01:01:40] alone\n"
    )


def test_srt() -> None:
    assert render(TWO, Format.SRT) == (
        "1\n00:00:00,250 --> 00:00:01,500\nSPEAKER_00: Hello <there> & -> 2\n\n"
        "2\n01:01:02,000 --> 01:01:02,800\n\u200fA > B: שלום\n\n"
        "3\n01:01:40,000 --> 01:01:41,000\nalone\n"
    )


def test_vtt() -> None:
    assert render(TWO, Format.VTT) == (
        "WEBVTT\n\n"
        "00:00:00.250 --> 00:00:01.500\n<v SPEAKER_00>Hello &lt;there&gt; &amp; --&gt; 2</v>\n\n"
        "01:01:02.000 --> 01:01:02.800\n<v A &gt; B>שלום</v>\n\n"
        "01:01:40.000 --> 01:01:41.000\nalone\n"
    )


def test_a_recording_in_which_nobody_speaks_is_a_legal_file_of_each_form() -> None:
    silent = replace(TWO, segments=())
    assert [render(silent, form) for form in (Format.TXT, Format.SRT, Format.VTT)] == ["", "", "WEBVTT\n"]


@given(transcripts())
def test_json_keeps_everything(transcript: Transcript) -> None:
    assert transcript_from_json(json.loads(render(transcript, Format.JSON))) == transcript


@given(transcripts())
def test_srt_has_numbered_cues_for_all_that_is_spoken_in_order_of_time(transcript: Transcript) -> None:
    cues = _blocks(render(transcript, Format.SRT))
    assert [cue[0] for cue in cues] == [str(number + 1) for number in range(len(cues))]
    assert len(cues) >= spoken(transcript)
    _check_spans([cue[1] for cue in cues])


@given(transcripts())
def test_vtt_cues_hold_nothing_that_a_player_could_read_as_markup(transcript: Transcript) -> None:
    head, *cues = _blocks(render(transcript, Format.VTT))
    assert head == ["WEBVTT"]
    assert len(cues) >= spoken(transcript)
    _check_spans([cue[0] for cue in cues])
    for cue in cues:
        text = re.sub(r"^<v [^<>]*>(.*)</v>$", r"\1", "\n".join(cue[1:]), flags=re.DOTALL)
        assert not set(text) & set("<>")
        assert "&" not in re.sub(r"&(amp|lt|gt);", "", text)


@given(transcripts())
def test_txt_has_one_line_a_spoken_segment(transcript: Transcript) -> None:
    lines = render(transcript, Format.TXT).splitlines()
    assert len(lines) == spoken(transcript)
    assert all(re.match(r"\[\d{2,}:[0-5]\d:[0-5]\d\]", line) for line in lines)


@given(transcripts())
def test_no_form_carries_control_characters_to_a_terminal(transcript: Transcript) -> None:
    for form in (Format.TXT, Format.SRT, Format.VTT):
        assert "\x1b" not in render(transcript, form)


def test_one_line_drops_escapes_and_keeps_hebrew() -> None:
    assert one_line(" a\x1b[31m\tb\x00\n  שָׁלוֹם\u2028c ") == "a[31m b שָׁלוֹם c"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00:00.000"), (59.9996, "00:01:00.000"), (-1, "00:00:00.000"), (360000, "100:00:00.000")],
)
def test_clock_rounds_up_through_minutes_and_never_goes_below_zero(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_every_form_has_a_content_type() -> None:
    assert set(CONTENT_TYPES) == set(Format)


def spoken(transcript: Transcript) -> int:
    """Segments that have a text at all."""
    return sum(bool(one_line(segment.text)) for segment in transcript.segments)


def _blocks(text: str) -> list[list[str]]:
    return [block.split("\n") for block in text.rstrip("\n").split("\n\n") if block]


def _check_spans(lines: list[str]) -> None:
    spans = []
    for line in lines:
        match = SPAN.fullmatch(line)
        assert match, line
        h1, m1, s1, f1, h2, m2, s2, f2 = map(int, match.groups())
        spans.append((((h1 * 60 + m1) * 60 + s1) * 1000 + f1, ((h2 * 60 + m2) * 60 + s2) * 1000 + f2))
    assert all(start < end for start, end in spans)
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)
