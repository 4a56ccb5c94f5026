"""File names in headers: what every client sends is understood, and what is sent back is called as the recording is."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.api.requests.disposition import attachment, has_file, sent_name
from schemas.requests.recording_names import safe_name

PART = 'form-data; name="file"; '


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ('filename="call.opus"', "call.opus"),
        ("filename=call.opus", "call.opus"),
        ('FileName = "call.opus"', "call.opus"),
        ('filename="שיחה.mp3"', "שיחה.mp3"),
        ("filename*=UTF-8''%D7%A9%D7%99%D7%97%D7%94.mp3", "שיחה.mp3"),
        (
            "filename=\"x.mp3\"; filename*=utf-8'he'%D7%A9.mp3",
            "ש.mp3",
        ),  # as RFC 6266 has it: the extended one goes first
        ("filename*=UTF-8''%D7%A9.mp3; filename=\"x.mp3\"", "ש.mp3"),
        ("filename*=ISO-8859-1''caf%E9.mp3", "café.mp3"),
        ("filename=\"x.mp3\"; filename*=KOI8-R''%D7", "x.mp3"),  # a charset that nobody must know
        ('filename="x.mp3"; filename*=nonsense', "x.mp3"),
        ("filename=\"x.mp3\"; filename*=UTF-8''..%2F..", "x.mp3"),
        ('filename="a%22b.wav"', 'a"b.wav'),  # browsers
        ('filename="a\\"b.wav"', 'a"b.wav'),  # curl
        ('filename="C:\\temp\\a.wav"', "a.wav"),  # old browsers
        ('filename="a; name=x.wav"', "a; name=x.wav"),
        ('filename="100%25 sure.wav"', "100%25 sure.wav"),  # no name is decoded that was not encoded
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="a%0D%0ASet-Cookie: x.wav"', "a Set-Cookie: x.wav"),
        ("filename*=UTF-8''a%00%E2%80%AEb.wav", "ab.wav"),
        ('filename=""', None),
        ('filename=".."', None),
        ("filename*=UTF-8''", None),
    ],
)
def test_the_name_of_a_part(parameters: str, name: str | None) -> None:
    header = (PART + parameters).encode()
    assert has_file(header)
    assert sent_name(header) == name


def test_a_name_in_latin_1() -> None:
    assert sent_name(PART.encode() + b'filename="caf\xe9.mp3"') == "café.mp3"


@pytest.mark.parametrize(
    "header", ["", "form-data", PART, 'form-data; name="filename=x"', 'form-data; name="; filename=x"']
)
def test_a_part_without_a_file(header: str) -> None:
    assert not has_file(header.encode())
    assert sent_name(header.encode()) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header(header: bytes) -> None:
    name = sent_name(header)
    assert name is None or safe_name(name) == name
    assert has_file(header) or name is None


@pytest.mark.parametrize(
    ("recording", "header"),
    [
        ("call.opus", 'attachment; filename="call.srt"'),
        ("call-17", 'attachment; filename="call-17.srt"'),
        ("v1.2 of monday", 'attachment; filename="v1.2 of monday.srt"'),
        (".hidden.wav", 'attachment; filename="hidden.srt"'),
        ("שיחה 1.mp3", "attachment; filename=\"1.srt\"; filename*=UTF-8''%D7%A9%D7%99%D7%97%D7%94%201.srt"),
        ("שיחה.mp3", "attachment; filename=\"transcript.srt\"; filename*=UTF-8''%D7%A9%D7%99%D7%97%D7%94.srt"),
        ("café.mp3", "attachment; filename=\"cafe.srt\"; filename*=UTF-8''caf%C3%A9.srt"),
        ('a"b\r\nX: y.wav', 'attachment; filename="a_b X_ y.srt"'),
        ("..", 'attachment; filename="transcript.srt"'),
        ("", 'attachment; filename="transcript.srt"'),
    ],
)
def test_a_download_is_called_as_its_recording(recording: str, header: str) -> None:
    assert attachment(recording, "srt") == header


@given(st.text(max_size=300))
def test_no_name_breaks_a_header(recording: str) -> None:
    header = attachment(recording, "vtt")
    assert header.isascii()
    assert header.isprintable()
    assert re.fullmatch(r"""attachment; filename="[^"\\%/]+\.vtt"(; filename\*=UTF-8''[\w.~%-]+\.vtt)?""", header)
    named = unquote(header.rpartition("''")[2])
    assert len(named.encode()) <= 255
