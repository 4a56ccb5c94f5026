"""Pages of an Ogg: where the headers end and sound, or damage, begins."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.audio.formats.ogg import headers_end

NOTHING_ENDS = 2**64 - 1


def page(position: int, *sizes: int) -> bytes:
    head = b"OggS\0\0" + struct.pack("<Q", position) + bytes(12) + bytes([len(sizes), *sizes])
    return head + bytes(sum(sizes))


HEAD = page(0, 19)
COMMENTS = page(NOTHING_ENDS, *[255] * 255) + page(0, 255, 3)
SOUND = page(48_000, 200, 200)


@pytest.mark.parametrize(
    ("body", "end"),
    [
        (HEAD + COMMENTS + SOUND, len(HEAD + COMMENTS)),
        (HEAD + COMMENTS, len(HEAD + COMMENTS)),
        (HEAD + b"XXXX" + SOUND, len(HEAD)),
        (HEAD + SOUND[:20], len(HEAD)),
        (SOUND, 0),
        (b"", 0),
    ],
    ids=["sound", "nothing else", "damage", "a header that is cut", "no headers", "empty"],
)
def test_headers_end_where_sound_or_damage_begins(body: bytes, end: int) -> None:
    assert headers_end(BytesIO(b"front" + body), 5) == 5 + end


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes_have_an_end(body: bytes, start: int) -> None:
    assert headers_end(BytesIO(HEAD + body), start) >= start
