"""Transcripts on a terminal: colours by speaker, nothing that breaks a line of 80 columns."""

from dataclasses import replace
from io import StringIO

from hypothesis import given
from rich.console import Console

from producers.cli.terminal.speakers import COLOURS, colour_of, transcript_table
from schemas.transcript import Segment, Transcript
from tests.samples import TRANSCRIPT
from tests.strategies import transcripts


def printed(transcript: Transcript, *, colours: bool = False) -> str:
    out = StringIO()
    Console(file=out, width=80, force_terminal=colours, color_system="standard" if colours else None).print(
        transcript_table(transcript)
    )
    return out.getvalue()


def test_a_speaker_is_named_where_the_voice_changes() -> None:
    a, b = Segment(start=0, end=1, text="one", speaker="A"), Segment(start=2, end=3, text="two", speaker="B")
    lines = printed(replace(TRANSCRIPT, segments=(a, replace(a, start=1, text="more"), b), warnings=())).splitlines()
    assert [line.split() for line in lines] == [
        ["00:00:00", "A", "one"],
        ["00:00:01", "more"],
        ["00:00:02", "B", "two"],
    ]


def test_speakers_keep_their_colours() -> None:
    speakers = tuple(f"S{n}" for n in range(8))
    assert [colour_of(speaker, speakers) for speaker in speakers] == [*COLOURS, *COLOURS[:2]]
    assert colour_of(None, speakers) == "white"
    assert "\x1b[36m" in printed(TRANSCRIPT, colours=True)


def test_warnings_stand_below() -> None:
    assert printed(TRANSCRIPT).splitlines()[-1].strip() == "a warning"


@given(transcripts())
def test_no_line_is_wider_than_the_terminal_or_carries_its_commands(transcript: Transcript) -> None:
    out = printed(transcript)
    assert "\x1b" not in out
    assert all(len(line) <= 80 for line in out.split("\n"))
