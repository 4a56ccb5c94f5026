"""Decoding: every container we promise, and everything a stranger may send instead."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from gpu_consumers.audio.decode import decode
from gpu_consumers.audio.samples import SAMPLE_RATE
from schemas.errors import NotOwner, Permanent
from schemas.events import Channels
from sink.objects.disk import is_full
from tests.gpu_consumers.audio.decoding import CALL, VOICE, code_of, decoded, encoded_ogg_flac, heard
from tests.media_files import CODECS, RATE, Sound, encoded, muxed, silent_film, tone, wave


@pytest.mark.parametrize("container", [*CODECS])
def test_every_promised_container_is_decoded(tmp_path: Path, container: str) -> None:
    """Mono 16 kHz of the right length in which the tone is still the tone."""
    result = decoded(tmp_path, encoded(tone(3.0), container))
    samples = heard(tmp_path)
    assert samples.shape == (round(result.duration * SAMPLE_RATE), 1)
    assert samples.dtype == np.float32
    assert result.duration == pytest.approx(3.0, abs=0.15)
    assert result.warnings == ()
    middle = samples[SAMPLE_RATE : 2 * SAMPLE_RATE, 0]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "media_empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "not_media"),
        (b'{"error": "expired"}', "not_media"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not_media"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not_media"),
        (b"MZ\x90\x00" + bytes(100), "not_media"),
        (b"RIFF\x00\x00\x00\x00WAVE", "not_media"),
        (b"OggS" + bytes(200), "not_media"),
        (b"fLaC" + bytes(200), "not_media"),
        (b"\x1a\x45\xdf\xa3" + bytes(200), "not_media"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(200), "not_media"),
        (silent_film(), "media_no_audio"),
        (encoded(tone(0.1)), "media_too_short"),
    ],
    ids=lambda value: value[:12].hex() if isinstance(value, bytes) else value,
)
def test_what_is_no_recording_says_why(tmp_path: Path, body: bytes, code: str) -> None:
    assert code_of(tmp_path, body) == code


PLAIN_MP3 = encoded(VOICE, "mp3", options={"write_xing": "0", "id3v2_version": "0"})

PICTURE = b"ID3\x04\0\0" + bytes([0, 0x7F, 0x7F, 0x7F]) + bytes(range(256)) * 8192  # its length is 2 MB - 1


@pytest.mark.parametrize(
    "front",
    [
        bytes(4096),
        bytes(3_000_000),
        np.random.default_rng(1).integers(1, 255, 30_000, np.uint8).tobytes(),
        b"\xff\xfb" * 500,
        PICTURE[: 10 + (1 << 21) - 1],
        b"ID3\x03\0\0\0\0\0\x05hello" + bytes(500),
        b"APETAGEX" + struct.pack("<IIII8x", 2000, 40, 1, 0xA0000000) + bytes(range(40)),
    ],
    ids=["zeros", "3 MB of zeros", "noise", "false syncs", "a picture of 2 MB", "a tag and padding", "an APE tag"],
)
def test_a_stream_is_found_behind_what_is_none(tmp_path: Path, front: bytes) -> None:
    assert decoded(tmp_path, front + PLAIN_MP3).duration == pytest.approx(12.0, abs=0.1)


@pytest.mark.parametrize("container", ["wav", "flac", "ogg", "mp4", "ipod", "matroska"])
def test_padding_in_front_of_any_container_is_passed_over(tmp_path: Path, container: str) -> None:
    result = decoded(tmp_path, bytes(5001) + encoded(VOICE, container))
    assert result.duration == pytest.approx(12.0, abs=0.1)
    assert result.warnings == ()


def test_streams_that_are_joined_are_heard_one_after_the_other(tmp_path: Path) -> None:
    """Ogg of different codecs too, at which the demuxer gives up."""
    opus, flac = encoded(VOICE, "ogg"), encoded_ogg_flac(VOICE)
    result = decoded(tmp_path, opus + flac + opus)
    assert result.duration == pytest.approx(36.0, abs=0.1)
    assert result.warnings == ()
    assert decoded(tmp_path, PLAIN_MP3 + PLAIN_MP3).duration == pytest.approx(24.0, abs=0.2)


@pytest.mark.parametrize(
    "header", [{"data": 0}, {"data": 0, "riff": 0}, {"data": 0xFFFFFFFF, "riff": 0xFFFFFFFF}, {"data": 4 * 2 * RATE}]
)
def test_a_wav_is_read_to_its_end_whatever_its_header_says(tmp_path: Path, header: dict[str, int]) -> None:
    """Streaming writers leave none or the largest number, and a header may be written after four of twelve seconds."""
    assert decoded(tmp_path, wave(VOICE, **header)).duration == pytest.approx(12.0, abs=0.01)


def test_chunks_behind_the_samples_are_no_sound(tmp_path: Path) -> None:
    body = wave(VOICE) + b"LIST" + struct.pack("<I", 40_000) + b"INFO" + b"\xff\x7f" * 19_998
    assert decoded(tmp_path, body).duration == pytest.approx(12.0, abs=0.01)


def test_an_error_of_any_kind_in_the_library_is_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as memory and file are there: those are ours."""
    source, target = tmp_path / "recording", tmp_path / "samples.npy"
    source.write_bytes(encoded(VOICE))

    def open_with(error: Exception) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(av, "open", fail)

    for error in (
        AttributeError("x"),
        IndexError("x"),
        AssertionError("x"),
        UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
    ):
        open_with(error)
        with pytest.raises(Permanent) as caught:
            decode(source, target, Channels.AUTO, 60.0, lambda _: None)
        assert caught.value.code == "not_media"
    open_with(MemoryError())
    with pytest.raises(MemoryError):
        decode(source, target, Channels.AUTO, 60.0, lambda _: None)


def test_nothing_is_left_beside_the_samples(tmp_path: Path) -> None:
    """Not of several passes, and not of one that was stopped in between."""
    decoded(tmp_path, muxed("matroska", Sound(0 * VOICE, "libopus"), Sound(CALL, "libopus", delays={4.0: 20.0})))
    assert {path.name for path in tmp_path.iterdir()} == {"recording", "samples.npy"}
    assert code_of(tmp_path, encoded(np.stack([VOICE, VOICE], axis=1)), limit=5.0) == "media_too_long"
    assert {path.name for path in tmp_path.iterdir()} == {"recording", "samples.npy"}


def test_a_file_that_is_gone_is_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "recording", tmp_path / "samples.npy", Channels.AUTO, 60.0, lambda _: None)


def test_length_is_counted_not_believed(tmp_path: Path) -> None:
    """An hour of silence is half a megabyte: the limit counts what comes out of the decoder."""
    assert code_of(tmp_path, encoded(tone(20.0), "ogg"), limit=5.0) == "media_too_long"


def test_a_wav_whose_writer_did_not_know_its_length_is_whole(tmp_path: Path) -> None:
    """Streaming writers leave the largest number where the length belongs."""
    body = bytearray(encoded(tone(2.0)))
    at = body.index(b"data") + 4
    body[at : at + 4] = b"\xff\xff\xff\xff"
    assert decoded(tmp_path, bytes(body)).duration == pytest.approx(2.0, abs=0.1)


def test_absurd_rates_are_refused(tmp_path: Path) -> None:
    """A sample a second would make a gigabyte of samples from one frame."""
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 1036, b"WAVE", b"fmt ", 16, 1, 1, 1, 1, 1, 8, b"data", 1000)
    assert code_of(tmp_path, header + bytes(1000)) == "not_media"


def test_decoding_can_be_stopped(tmp_path: Path) -> None:
    """What `progress` raises passes."""
    source = tmp_path / "recording"
    source.write_bytes(encoded(tone(5.0), "ogg"))

    def stop(_: float) -> None:
        raise NotOwner("gone")

    with pytest.raises(NotOwner):
        decode(source, tmp_path / "samples.npy", Channels.AUTO, 60.0, stop)


def test_names_and_playlists_open_nothing_else(tmp_path: Path) -> None:
    """A file named like a playlist, holding one, is never followed."""
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encoded(tone(2.0)))
    source = tmp_path / "x.m3u8"
    source.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n")
    with pytest.raises(Permanent) as caught:
        decode(source, tmp_path / "samples.npy", Channels.AUTO, 60.0, lambda _: None)
    assert caught.value.code == "not_media"
    assert "playlist" in caught.value.message


def test_rates_and_lengths_survive(tmp_path: Path) -> None:
    """8 kHz telephone audio has the same length afterwards."""
    assert decoded(tmp_path, encoded(tone(3.0, rate=8000), rate=8000)).duration == pytest.approx(3.0, abs=0.02)
    assert RATE != SAMPLE_RATE


def test_a_full_disk_is_not_the_recordings_fault(tmp_path: Path) -> None:
    """It passes as it is: whoever keeps the folder decides what becomes of it."""
    (tmp_path / "samples.npy").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        decoded(tmp_path, encoded(tone(3.0)))
    assert is_full(caught.value)
