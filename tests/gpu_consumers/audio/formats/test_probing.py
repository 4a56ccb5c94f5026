"""Where a recording begins in a file, and in how many parts it comes."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpu_consumers.audio.formats.container_sniffing import MP3, OGG, WAV
from gpu_consumers.audio.formats.probing import Part, probe
from schemas.errors import Permanent
from tests.media_files import Sound, encoded, muxed, tone

OPUS, FLAC = encoded(tone(1.0), "ogg"), muxed("ogg", Sound(tone(1.0), "flac"))
PLAIN = encoded(tone(1.0), "mp3", options={"write_xing": "0", "id3v2_version": "0"})


def written(tmp_path: Path, body: bytes) -> Path:
    path = tmp_path / "recording"
    path.write_bytes(body)
    return path


@pytest.mark.parametrize(
    ("front", "body", "container"),
    [
        (b"", PLAIN, MP3),
        (bytes(9), PLAIN, MP3),
        (b"ID3\x04\0\0\0\0\x02\0" + bytes(256), PLAIN, MP3),
        (b"ID3\x04\0\x10\0\0\x02\0" + bytes(256) + b"3DI\x04\0\x10\0\0\x02\0", PLAIN, MP3),
        (b"ID3\x04\0\0\0\0\0\x01x" * 99, PLAIN, MP3),
        (b"ID3\x04\0\0\0\0\0\x01x", encoded(tone(1.0)), WAV),
        (b"ID3\x04\0\0\x7f\x7f\x7f\x7f", PLAIN, MP3),
    ],
    ids=[
        "nothing",
        "zeros",
        "a tag",
        "a tag with a footer",
        "many tags",
        "a tag before WAV",
        "a tag longer than the file",
    ],
)
def test_the_beginning_is_found(tmp_path: Path, front: bytes, body: bytes, container: object) -> None:
    found = probe(written(tmp_path, front + body))
    assert found.container == container
    assert found.parts == (Part(len(front)),)


@pytest.mark.parametrize("container", ["wav", "mp3", "flac", "ogg", "mp4", "adts", "matroska"])
@pytest.mark.parametrize("padding", [b"\0", bytes(3), bytes(70_001), b"\xff", b"\xff" * 3, b"\xff" * 70_001])
def test_padding_of_any_length_is_passed_over(tmp_path: Path, container: str, padding: bytes) -> None:
    """Zeros of a file that was allocated ahead, ones of erased flash memory: which could be taken for half a frame."""
    body = encoded(
        tone(1.0), container, options={"write_xing": "0", "id3v2_version": "0"} if container == "mp3" else {}
    )
    plain, found = (probe(written(tmp_path, front + body)) for front in (b"", padding))
    assert (found.container, found.parts[0].start) == (plain.container, len(padding))


@pytest.mark.parametrize(
    ("front", "skipped"),
    [
        (b"", 0),
        (bytes(500), 0),
        (b"\xff" * 500, 0),
        (b"noise" * 100, 500),
        (PLAIN[:192] + b"noise" * 100, 692),
        (b"ID3\x04\0\0\0\0\0\x01x" + b"rest of a picture" * 10, 0),
        (b"ID3\x04\0\0\0\0\0\x01x" + PLAIN[:192] + b"noise" * 100, 692),
    ],
    ids=[
        "nothing",
        "zeros",
        "ones",
        "noise",
        "a frame and noise",
        "a tag with a wrong size",
        "a tag, a frame and noise",
    ],
)
def test_what_is_passed_over_in_front_of_frames_is_counted(tmp_path: Path, front: bytes, skipped: int) -> None:
    assert probe(written(tmp_path, front + PLAIN)).skipped == skipped


@pytest.mark.parametrize("text", [b"<html>", b'{"a": 1}', b"#EXTM3U\n"])
def test_a_text_is_no_recording_whatever_it_holds(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(Permanent, match="it is"):
        probe(written(tmp_path, text + bytes(100) + PLAIN))


def test_a_chain_is_its_links(tmp_path: Path) -> None:
    """Each from its first page to that of the next one, also behind bytes that belong to neither."""
    first, second = len(OPUS), len(OPUS) + 100 + len(FLAC)
    found = probe(written(tmp_path, OPUS + bytes(100) + FLAC + OPUS))
    assert found.container == OGG
    assert found.parts == (Part(0, first + 100), Part(first + 100, second), Part(second))


def test_streams_beside_each_other_are_one_link(tmp_path: Path) -> None:
    """A film has a first page for its pictures and one for its sound."""
    film = muxed("ogg", Sound(tone(1.0), "libopus"), Sound(tone(1.0), "flac"))
    assert probe(written(tmp_path, film)).parts == (Part(0),)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([b"OggS\0\x02", b"ID3\x04\0\0", b"APETAGEX", bytes(20), b"\xff\xfb", b"ftyp"]),
        ),
        max_size=12,
    )
)
def test_any_bytes_have_an_answer(tmp_path: Path, pieces: list[bytes]) -> None:
    path = written(tmp_path, b"".join(pieces))
    try:
        start, code = probe(path).parts[0].start, "not_media"
    except Permanent as error:
        start, code = 0, error.code
    assert code in ("not_media", "media_empty")
    assert 0 <= start <= path.stat().st_size
