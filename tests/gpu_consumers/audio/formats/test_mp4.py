"""Boxes of an MP4: a file that was cut off is told from one that is damaged."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.audio.formats.mp4 import ends_before_index

FIRST = b"\0\0\0\x18ftypM4A " + bytes(12)
SOUND = struct.pack(">I", 108) + b"mdat" + bytes(100)
INDEX = struct.pack(">I", 58) + b"moov" + bytes(50)


@pytest.mark.parametrize(
    ("boxes", "wanted"),
    [
        (FIRST + SOUND + INDEX, False),
        (FIRST + INDEX + SOUND, False),
        (FIRST + INDEX + SOUND[:50], False),
        (FIRST, True),
        (FIRST + SOUND, True),
        (FIRST + SOUND[:50], True),
        (FIRST + SOUND + INDEX[:-1], True),
        (FIRST + SOUND + INDEX[:5], True),
        (FIRST + b"\0\0\0\0mdat" + bytes(100), True),
        (FIRST + b"\0\0\0\x01mdat" + struct.pack(">Q", 116) + bytes(100) + INDEX, False),
        (FIRST + b"\0\0\0\x01mdat" + b"????????" + bytes(100), True),
        (FIRST + b"\xf3\x7c\xff\x90\x9d\xff\x84\xed" * 50, False),
        (FIRST + b"\0\0\0\x04mdat" + bytes(100), False),
        (FIRST + bytes(1000), False),
    ],
    ids=[
        *("index behind", "index in front", "cut behind the index", "nothing else", "no index", "in the sound"),
        *("in the index", "in its header", "a length to the end", "a long length", "a recorder's stand-in for one"),
        *("noise", "no length", "zeros"),
    ],
)
def test_a_file_that_ends_before_its_index(boxes: bytes, wanted: bool) -> None:
    for front in (0, 5001):
        body = bytes(front) + boxes
        assert ends_before_index(BytesIO(body), front, len(body)) is wanted


@given(st.binary(max_size=300))
def test_any_bytes_have_an_answer(body: bytes) -> None:
    assert ends_before_index(BytesIO(body), 0, len(body)) in (True, False)
