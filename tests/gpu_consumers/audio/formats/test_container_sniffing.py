"""What a file is, by its first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.audio.formats.container_sniffing import (
    AAC,
    AIFF,
    AU,
    CAF,
    FLAC,
    MATROSKA,
    MP3,
    MP4,
    OGG,
    WAV,
    WAVE64,
    Container,
    sniff,
)
from schemas.errors import Permanent


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", WAV),
        (b"RF64\xff\xff\xff\xffWAVEds64", WAV),
        (b"BW64\xff\xff\xff\xffWAVEds64", WAV),
        (b"RIFX\x00\x00\x00\x24WAVEfmt ", WAV),
        (b"riff\x2e\x91\xcf\x11\xa5\xd6", WAVE64),
        (b"FORM\x00\x00\x00\x24AIFFCOMM", AIFF),
        (b"FORM\x00\x00\x00\x24AIFCFVER", AIFF),
        (b"caff\x00\x01\x00\x00desc", CAF),
        (b".snd\x00\x00\x00\x18", AU),
        (b"fLaC\x00\x00", FLAC),
        (b"OggS\x00\x02", OGG),
        (b"\x00\x00\x00\x20ftypM4A ", MP4),
        (b"\x00\x00\x00\x08moov", MP4),
        (b"\x1a\x45\xdf\xa3\x9f", MATROSKA),
        (b"\xff\xfb\x90\x64", MP3),
        (b"\xff\xf1\x50\x80", AAC),
    ],
)
def test_known_beginnings(head: bytes, container: Container) -> None:
    assert sniff(head) is container


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\xef\xbb\xbf  <!DOCTYPE html>", "web page"),
        (b"<?xml version='1.0'?><Error/>", "web page"),
        (b'{"detail": "gone"}', "JSON"),
        (b"#EXTM3U", "playlist"),
        (b"RIFF\x00\x00\x00\x00AVI ", "known containers"),
        (b"ID3\x04\x00", "known containers"),
        (b"\xff", "known containers"),
    ],
)
def test_what_it_is_instead(head: bytes, said: str) -> None:
    """The message helps whoever sent the wrong address."""
    with pytest.raises(Permanent, match=said):
        sniff(head)


@given(st.binary(max_size=64))
def test_any_bytes_have_an_answer(head: bytes) -> None:
    try:
        assert sniff(head).demuxer
    except Permanent as error:
        code = error.code
    else:
        code = "not_media"
    assert code in ("not_media", "media_empty")
