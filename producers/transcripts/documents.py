"""A transcript as a file of any format, Word documents among them."""

import re
import zipfile
from io import BytesIO
from itertools import groupby
from typing import TYPE_CHECKING

from producers.messages.plain_text import one_line
from producers.transcripts.formats import Format
from producers.transcripts.rendering import clock, render, spoken
from producers.transcripts.subtitles import reads_right_to_left
from schemas.transcript import WITHOUT_SPACES, Segment, Transcript

if TYPE_CHECKING:
    from docx.document import Document

_FIRST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_PROPERTY = 255
PARAGRAPH_SECONDS = 60.0  # a longer turn goes on in a paragraph of its own, so that its time can be found


def to_file(transcript: Transcript, form: Format, title: str) -> bytes:
    """The whole transcript in one format, always the same bytes for the same transcript."""
    return to_docx(transcript, title) if form == Format.DOCX else render(transcript, form).encode()


def to_docx(transcript: Transcript, title: str) -> bytes:
    """A Word document: a heading, then for each turn the time, the speaker if known, and the text."""
    import docx  # its import takes longer than all else here, and few ask for it

    document = docx.Document()
    document.core_properties.author = document.core_properties.comments = ""
    document.core_properties.title = _legal(title)[:_LONGEST_PROPERTY]
    document.core_properties.language = _legal(transcript.language)[:_LONGEST_PROPERTY]
    document.add_heading(_legal(title), level=1)
    blank = "" if transcript.language in WITHOUT_SPACES else " "
    for turn in turns(transcript):
        _add_turn(document, turn, blank)
    kept = BytesIO()
    document.save(kept)
    return _without_times(kept)


def turns(transcript: Transcript) -> list[list[Segment]]:
    """Segments in order of time, those that follow each other of one speaker together, up to PARAGRAPH_SECONDS."""
    found: list[list[Segment]] = []
    for _, group in groupby(spoken(transcript), key=lambda segment: segment.speaker):
        turn: list[Segment] = []
        for segment in group:
            if turn and segment.end - turn[0].start > PARAGRAPH_SECONDS:
                found.append(turn)
                turn = []
            turn.append(segment)
        found.append(turn)
    return found


def _add_turn(document: "Document", turn: list[Segment], blank: str) -> None:
    text = _legal(blank.join(one_line(segment.text) for segment in turn))
    speaker = _legal(one_line(turn[0].speaker or ""))
    paragraph = document.add_paragraph()
    paragraph.add_run(f"[{clock(turn[0].start)[:-4]}] ")
    if speaker:
        paragraph.add_run(f"{speaker}: ").bold = True
    run = paragraph.add_run(text)
    if reads_right_to_left(text):
        paragraph.paragraph_format.element.get_or_add_pPr().append(_element("w:bidi"))
        run.font.rtl = True


def _element(name: str) -> object:
    from docx.oxml import OxmlElement

    return OxmlElement(name)


def _legal(text: str) -> str:
    """The text without characters that XML cannot hold."""
    return _NOT_IN_XML.sub("", text)


def _without_times(saved: BytesIO) -> bytes:
    """The same archive with one time for all its files: they are those of the transcript, not of the download."""
    even = BytesIO()
    with zipfile.ZipFile(saved) as before, zipfile.ZipFile(even, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(
                zipfile.ZipInfo(name, _FIRST_ZIP_TIME), before.read(name), compress_type=zipfile.ZIP_DEFLATED
            )
    return even.getvalue()
