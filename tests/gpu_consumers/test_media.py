"""Decoding: every container we promise, and everything a stranger may send instead."""

import struct
from pathlib import Path

import numpy as np
import pytest

from gpu_consumers.engine import SAMPLE_RATE
from gpu_consumers.media import Decoded, decode, load
from schemas.errors import NotOwner, Permanent
from schemas.events import Channels
from sink.disk import is_full
from tests.media_files import RATE, encoded, silent_film, tone


def decoded(tmp_path: Path, body: bytes, channels: Channels = Channels.AUTO, limit: float = 60.0) -> Decoded:
    source = tmp_path / "recording"
    source.write_bytes(body)
    return decode(source, tmp_path / "samples.npy", channels, limit, lambda _: None)


def code_of(tmp_path: Path, body: bytes, limit: float = 60.0) -> str:
    with pytest.raises(Permanent) as caught:
        decoded(tmp_path, body, limit=limit)
    return caught.value.code


@pytest.mark.parametrize("container", ["wav", "mp3", "flac", "ogg", "ipod", "mp4", "matroska", "webm", "adts"])
def test_every_promised_container_is_decoded(tmp_path: Path, container: str) -> None:
    """Mono 16 kHz of the right length in which the tone is still the tone."""
    result = decoded(tmp_path, encoded(tone(3.0), container))
    samples = load(tmp_path / "samples.npy")
    assert samples.shape == (round(result.duration * SAMPLE_RATE), 1)
    assert samples.dtype == np.float32
    assert result.duration == pytest.approx(3.0, abs=0.15)
    assert result.warnings == ()
    middle = samples[SAMPLE_RATE : 2 * SAMPLE_RATE, 0]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == pytest.approx(440, abs=2)


def stereo(left: float, right: float, seconds: float = 2.0) -> np.ndarray:
    return np.stack([tone(seconds, left), tone(seconds, right)], axis=1)


def test_two_people_on_two_channels_are_split(tmp_path: Path) -> None:
    result = decoded(tmp_path, encoded(stereo(300, 700)))
    samples = load(tmp_path / "samples.npy")
    assert (result.channels, samples.shape[1]) == (2, 2)
    for channel, hertz in ((0, 300), (1, 700)):
        spectrum = np.abs(np.fft.rfft(samples[:SAMPLE_RATE, channel]))
        assert np.argmax(spectrum) == pytest.approx(hertz, abs=2)


@pytest.mark.parametrize("right", [1.0, 0.6])
def test_one_room_on_two_channels_is_mixed(tmp_path: Path, right: float) -> None:
    """Dual mono, and a voice that stands a little to the left."""
    voice = tone(2.0)
    assert decoded(tmp_path, encoded(np.stack([voice, right * voice], axis=1))).channels == 1
    assert load(tmp_path / "samples.npy").shape[1] == 1


def test_a_silent_channel_does_not_make_a_room(tmp_path: Path) -> None:
    """A call in which only one side spoke."""
    voice = tone(2.0)
    assert decoded(tmp_path, encoded(np.stack([voice, 0 * voice], axis=1))).channels == 2


def test_jobs_may_order_what_becomes_of_channels(tmp_path: Path) -> None:
    assert decoded(tmp_path, encoded(stereo(300, 700)), Channels.MIX).channels == 1
    assert decoded(tmp_path, encoded(stereo(300, 300)), Channels.SPLIT).channels == 2
    assert decoded(tmp_path, encoded(tone(1.0)), Channels.SPLIT).channels == 1


def test_surround_is_mixed(tmp_path: Path) -> None:
    surround = np.stack([tone(1.0)] * 6, axis=1)
    assert decoded(tmp_path, encoded(surround, "flac")).channels == 1


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


@pytest.mark.parametrize(
    ("container", "options"),
    [("wav", {}), ("flac", {}), ("matroska", {}), ("mp4", {"movflags": "faststart"}), ("mp4", {}), ("ipod", {})],
)
def test_a_cut_off_file_is_told(tmp_path: Path, container: str, options: dict[str, str]) -> None:
    """These containers announce their length; half a file is not a recording that happens to be short."""
    body = encoded(tone(10.0), container, options=options)
    assert code_of(tmp_path, body[: len(body) // 2]) == "media_truncated"


@pytest.mark.parametrize("container", ["ogg", "mp3", "adts"])
def test_a_stream_that_ends_early_is_a_shorter_recording(tmp_path: Path, container: str) -> None:
    """These containers know no length: whatever is there is the recording."""
    body = encoded(tone(10.0), container)
    assert 3.0 < decoded(tmp_path, body[: len(body) // 2]).duration < 7.0


def test_damage_in_the_middle_is_skipped_and_told(tmp_path: Path) -> None:
    body = bytearray(encoded(tone(10.0), "adts"))
    middle = len(body) // 2
    body[middle : middle + 3000] = bytes(range(256)) * 11 + bytes(184)
    result = decoded(tmp_path, bytes(body))
    assert result.duration > 7.0
    assert result.warnings


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
