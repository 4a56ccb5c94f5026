"""Transcripts as Word documents: opened again by the library, they hold what was said."""

from dataclasses import replace
from io import BytesIO

import docx
import pytest
from docx.document import Document
from hypothesis import given, settings

from producers.messages.plain_text import one_line
from producers.transcripts.documents import PARAGRAPH_SECONDS, to_docx, to_file, turns
from producers.transcripts.formats import Format, format_of
from producers.transcripts.rendering import render
from schemas.transcript import Segment, Transcript
from tests.strategies import transcripts


def transcript_of(*segments: Segment) -> Transcript:
    return Transcript(language="en", duration=4000.0, segments=segments)


def said(start: float, text: str, speaker: str | None = None, seconds: float = 2.0) -> Segment:
    return Segment(start=start, end=start + seconds, text=text, speaker=speaker)


def opened(transcript: Transcript, title: str = "call.mp3") -> Document:
    return docx.Document(BytesIO(to_docx(transcript, title)))


def test_a_document_has_a_paragraph_for_each_turn() -> None:
    spoken = (said(0.25, " Good morning.", "Ann"), said(2.5, "It rains.", "Ann"), said(3661.99, "<b>No</b>.", "B & C"))
    document = opened(transcript_of(*spoken))
    assert [paragraph.text for paragraph in document.paragraphs] == [
        "call.mp3",
        "[00:00:00] Ann: Good morning. It rains.",
        "[01:01:01] B & C: <b>No</b>.",
    ]
    assert [run.text for run in document.paragraphs[1].runs if run.bold] == ["Ann: "]
    assert (document.core_properties.title, document.core_properties.author) == ("call.mp3", "")


def test_text_from_right_to_left_is_marked_so() -> None:
    document = opened(transcript_of(said(1, "שלום לכולם", "Ann"), said(9, "hello", "B")))
    directions = [("w:bidi" in paragraph._p.xml, paragraph.runs[-1].font.rtl) for paragraph in document.paragraphs[1:]]
    assert directions == [(True, True), (False, None)]


def test_japanese_has_no_blanks_between_its_sentences() -> None:
    transcript = replace(transcript_of(said(1, "今日は"), said(3, "晴れです")), language="ja")
    assert opened(transcript).paragraphs[1].text == "[00:00:01] 今日は晴れです"


def test_a_long_turn_goes_on_in_paragraphs_with_times() -> None:
    reading = [said(place * 10, f"Line {place}.", "Ann", seconds=10) for place in range(18)]
    found = turns(transcript_of(*reading))
    assert [segment for turn in found for segment in turn] == reading
    assert all(turn[-1].end - turn[0].start <= PARAGRAPH_SECONDS for turn in found)
    assert len(found) == 3


def test_the_same_transcript_is_the_same_file_whenever_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    transcript = transcript_of(said(1, "Once."))
    first = to_docx(transcript, "call.mp3")
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert to_docx(transcript, "call.mp3") == first


@settings(max_examples=20)  # each one opens the template of the library
@given(transcripts())
def test_any_transcript_becomes_a_document_with_all_its_text(transcript: Transcript) -> None:
    """With characters that XML cannot hold, such as U+FFFF, left away."""
    text = "".join(paragraph.text for paragraph in opened(transcript).paragraphs)
    for segment in transcript.segments:
        assert one_line(segment.text).replace("\uffff", "").replace("\ufffe", "") in text


@pytest.mark.parametrize("form", [form for form in Format if form != Format.DOCX])
def test_the_other_forms_are_text_in_utf_8(form: Format) -> None:
    transcript = transcript_of(said(1, "שלום"))
    assert to_file(transcript, form, "x") == render(transcript, form).encode()


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("call.SRT", Format.SRT),
        ("call.words.json", Format.WORDS),
        ("call.json", Format.JSON),
        ("words.json", Format.JSON),
        ("call.docx", Format.DOCX),
        ("call.mp3", None),
        ("srt", None),
    ],
)
def test_the_name_of_a_file_says_its_form(name: str, form: Format | None) -> None:
    assert format_of(name) == form
