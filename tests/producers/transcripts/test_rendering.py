"""Transcripts as text: what any transcript keeps, and how one looks exactly."""

import csv
import json
import re
from collections import Counter
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given

from producers.messages.plain_text import one_line
from producers.transcripts.formats import Format
from producers.transcripts.rendering import CONTENT_TYPES, clock, render
from schemas.transcript import Segment, Transcript, Word
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
    assert {form: render(silent, form) for form in Format if form not in (Format.JSON, Format.DOCX)} == {
        Format.TXT: "",
        Format.SRT: "",
        Format.VTT: "WEBVTT\n",
        Format.TSV: "start\tend\tspeaker\ttext\n",
        Format.WORDS: '{"language": "en", "duration": 4000.0, "words": []}\n',
    }


def test_tsv() -> None:
    assert render(TWO, Format.TSV) == (
        "start\tend\tspeaker\ttext\n"
        "250\t1500\tSPEAKER_00\tHello <there> & --> 2\n"
        "3662000\t3662000\tA > B\tשלום\n"
        "3700000\t3701000\t\talone\n"
    )


@given(transcripts())
def test_tsv_is_a_table_that_any_reader_of_tables_takes(transcript: Transcript) -> None:
    rows = list(csv.DictReader(StringIO(render(transcript, Format.TSV)), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [row["text"] for row in rows] == [
        one_line(s.text) for s in sorted(transcript.segments, key=lambda s: s.start) if one_line(s.text)
    ]
    assert all(row["start"].isdecimal() and row["end"].isdecimal() and None not in row for row in rows)


def test_words_are_in_order_of_time_with_what_only_their_segment_says() -> None:
    """Two who speak at once: their words are mixed as they are heard."""
    first = Segment(
        start=1,
        end=4,
        text="one, three",
        speaker="A",
        language="en",
        words=(Word(start=1, end=2, text="one,", probability=0.5), Word(start=3, end=4, text="three")),
    )
    second = Segment(start=2, end=5, text="二四", channel=1, language="zh", words=(Word(start=2, end=3, text="二"),))
    found = json.loads(render(replace(TWO, segments=(first, second)), Format.WORDS))
    assert (found["language"], found["duration"]) == ("en", 4000.0)
    columns = ("start", "text", "space_before", "probability", "speaker", "channel", "language")
    assert [tuple(word[name] for name in columns) for word in found["words"]] == [
        (1, "one,", True, 0.5, "A", None, "en"),
        (2, "二", True, None, None, 1, "zh"),
        (3, "three", True, None, "A", None, "en"),
    ]


@given(transcripts())
def test_words_are_all_there(transcript: Transcript) -> None:
    found = json.loads(render(transcript, Format.WORDS))["words"]
    alone = [one_line(s.text) for s in transcript.segments if not s.words and one_line(s.text)]
    words = [w.text for s in transcript.segments for w in s.words]
    assert Counter(word["text"] for word in found) == Counter(words + alone)
    assert [word["start"] for word in found] == sorted(word["start"] for word in found)


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
    for form in (Format.TXT, Format.SRT, Format.VTT, Format.TSV):
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
