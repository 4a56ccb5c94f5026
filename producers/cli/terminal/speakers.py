"""A transcript for the terminal: text and time of each speaker, each speaker in a colour."""

from rich.table import Table
from rich.text import Text

from producers.messages.plain_text import one_line
from producers.transcripts.rendering import clock
from schemas.transcript import Segment, Transcript

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


def colour_of(speaker: str | None, speakers: tuple[str, ...]) -> str:
    """The colour of a speaker, by the order in which they first speak."""
    return COLOURS[speakers.index(speaker) % len(COLOURS)] if speaker in speakers else "white"


def transcript_table(transcript: Transcript) -> Table:
    """One row for each segment; a speaker is named where the speaker changes."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    if transcript.speakers:
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    before: str | None = None
    for segment in transcript.segments:
        table.add_row(*_row(segment, before, transcript.speakers))
        before = segment.speaker
    for warning in transcript.warnings:
        table.add_row("", *[""] * bool(transcript.speakers), Text(one_line(warning), "italic yellow"))
    return table


def _row(segment: Segment, before: str | None, speakers: tuple[str, ...]) -> list[Text]:
    colour = colour_of(segment.speaker, speakers)
    name = one_line(segment.speaker or "?") if segment.speaker != before else ""
    cells = [Text(clock(segment.start)[:-4], "dim"), Text(name, f"bold {colour}"), Text(one_line(segment.text), colour)]
    return cells if speakers else [cells[0], cells[2]]
