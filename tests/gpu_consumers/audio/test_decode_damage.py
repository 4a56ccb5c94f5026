"""Damaged and cut off recordings: what is lost is named, and never guessed."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from gpu_consumers.audio.samples import SAMPLE_RATE
from tests.gpu_consumers.audio.decoding import (
    VOICE,
    code_of,
    decoded,
    encoded_ogg_flac,
    first_sound,
    heard,
    load_mono,
    offset_of,
)
from tests.media_files import RATE, Sound, encoded, muxed, tone, wave


@pytest.mark.parametrize(
    ("container", "options"),
    [
        *(("wav", {}), ("wav", {"rf64": "always"}), ("w64", {}), ("aiff", {}), ("caf", {}), ("au", {})),
        *(("flac", {}), ("mp3", {}), ("matroska", {}), ("webm", {})),
        *(("mp4", {"movflags": "faststart"}), ("mp4", {}), ("ipod", {})),
    ],
)
def test_a_cut_off_file_is_told(tmp_path: Path, container: str, options: dict[str, str]) -> None:
    """These containers announce their length; half a file is not a recording that happens to be short."""
    body = encoded(tone(10.0), container, options=options)
    assert code_of(tmp_path, body[: len(body) // 2]) == "media_truncated"


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}, {"movflags": "frag_keyframe+empty_moov"}])
def test_a_cut_index_is_told_from_a_damaged_one(tmp_path: Path, options: dict[str, str]) -> None:
    """More of the file would mend the one and not the other."""
    body = encoded(VOICE, "mp4", options=options)
    index = body.index(b"moov") - 4
    (size,) = struct.unpack(">I", body[index : index + 4])
    for end in (index, index + 6, index + size // 2):
        assert code_of(tmp_path, body[:end]) == "media_truncated"
    sizes = body.index(b"stsz") + 12
    many = body[:sizes] + b"\xff\xff\xff\xff" + body[sizes + 4 :]
    noise = np.random.default_rng(1).integers(0x80, 256, 20_000, np.uint8).tobytes()
    for damaged in (many, body[:index] + noise):
        assert code_of(tmp_path, damaged) == "not_media"


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "adpcm_ms"), ("wav", "adpcm_ima_wav"), ("wav", "libmp3lame"), ("caf", "alac")],
)
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_cut_off_file_of_compressed_sound_is_told(tmp_path: Path, container: str, codec: str, part: float) -> None:
    """Whatever its header says of bytes a second, and also where only what lies behind the sound is missing."""
    body = muxed(container, Sound(tone(20.0), codec))
    assert decoded(tmp_path, body).duration == pytest.approx(20.0, abs=0.2)
    assert code_of(tmp_path, body[: round(part * len(body))]) == "media_truncated"


def test_samples_that_are_not_heard_are_told_in_seconds(tmp_path: Path) -> None:
    """A second chunk of them; what a demuxer reads whatever is announced is no loss."""
    more = wave(VOICE[: 2 * RATE])
    result = decoded(tmp_path, wave(VOICE) + more[more.index(b"data") :])
    assert any(
        "seconds of the recording lie behind the end that its header announces" in each for each in result.warnings
    )
    sun = bytearray(encoded(VOICE, "au"))
    sun[8:12] = struct.pack(">I", RATE * 2 * 4)
    result = decoded(tmp_path, bytes(sun))
    assert result.duration == pytest.approx(12.0, abs=0.01)
    assert result.warnings == ()


@pytest.mark.parametrize("container", ["ogg", "mp3", "adts"])
def test_a_stream_that_ends_early_is_a_shorter_recording(tmp_path: Path, container: str) -> None:
    """These containers know no length: whatever is there is the recording."""
    body = encoded(tone(10.0), container, options={"write_xing": "0"} if container == "mp3" else {})
    assert 3.0 < decoded(tmp_path, body[: len(body) // 2]).duration < 7.0


@pytest.mark.parametrize(
    ("container", "most"), [("adts", 2.0), ("mp3", 1.6), ("flac", 1.6), ("ogg", 3.1), ("matroska", 4.1)]
)
def test_damage_in_the_middle_is_silence_and_told_in_seconds(tmp_path: Path, container: str, most: float) -> None:
    """What follows is where it was; of an eighth of the file not a frame more than the pieces that it touches is lost.

    ADTS has frames of 20 ms and their lengths vary, Ogg has pages of a second, and Matroska is read again from the next
    cluster on, of which there is one every five seconds.
    """
    body = encoded(VOICE, container)
    start, stop = len(body) // 2, len(body) * 5 // 8
    garbage = np.random.default_rng(1).integers(0, 256, stop - start, np.uint8).tobytes()
    result = decoded(tmp_path, body[:start] + garbage + body[stop:])
    assert result.duration == pytest.approx(12.0, abs=0.1)
    (warning,) = result.warnings
    said = re.fullmatch(r"([\d.]+) of ([\d.]+) seconds of the recording are damaged and were not heard", warning)
    assert said is not None
    lost, total = map(float, said.groups())
    assert 1.4 <= lost <= most
    assert total == pytest.approx(12.0, abs=0.1)
    samples = heard(tmp_path)[:, 0]
    whole = load_mono(VOICE, tmp_path)[:, 0]
    assert silent_seconds(samples) - silent_seconds(whole) == pytest.approx(lost, abs=0.2)
    end = slice(-2 * SAMPLE_RATE, -SAMPLE_RATE // 2)
    assert offset_of(samples[end], whole[end]) < 0.25


def silent_seconds(samples: np.ndarray) -> float:
    return float(np.count_nonzero(np.abs(samples) < 1e-4)) / SAMPLE_RATE


def test_a_link_of_a_chain_that_lacks_the_track_is_told_in_seconds(tmp_path: Path) -> None:
    """It is the one that a job has chosen, or the one with most sound; what other links have of it is heard."""
    two = muxed("ogg", Sound(0 * VOICE, "libopus"), Sound(VOICE, "libopus"))
    one = muxed("ogg", Sound(0 * VOICE, "libopus"))
    for body, seconds in ((two + one, 12.0), (two + one + two, 24.0)):
        result = decoded(tmp_path, body)
        assert result.duration == pytest.approx(seconds, abs=0.5)  # what is lost is silence, as long as its bytes tell
        assert re.match(r"\d+\.\d of \d+\.\d seconds of the recording are damaged", result.warnings[0])
        assert "audio track 2 was heard" in result.warnings[1]


@pytest.mark.parametrize("place", ["middle", "end"])
def test_a_page_of_ogg_that_cannot_be_read_is_told_in_seconds(tmp_path: Path, place: str) -> None:
    """Also in front of the last one, whose time stamp is not that of its sound."""
    body = muxed("ogg", Sound(VOICE, "libopus"))
    pages = [match.start() for match in re.finditer(b"OggS", body)]
    at = pages[-2 if place == "end" else len(pages) // 2] + 300
    result = decoded(tmp_path, body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :])
    (warning,) = result.warnings
    assert 0.3 < float(warning.split()[0]) < 2.5


def test_what_cannot_be_read_at_the_end_is_told_in_seconds(tmp_path: Path) -> None:
    """A stream of which only the first page is left behind another one."""
    opus = encoded(VOICE, "ogg")
    torn = encoded_ogg_flac(VOICE).replace(b"OggS", b"XXXX").replace(b"XXXX", b"OggS", 1)
    result = decoded(tmp_path, opus + torn)
    assert result.duration == pytest.approx(12.0, abs=0.2)
    (warning,) = result.warnings
    assert "seconds of the recording are damaged" in warning


@pytest.mark.parametrize("container", ["w64", "aiff", "au", "caf"])
def test_sound_behind_an_announced_end_is_told(tmp_path: Path, container: str) -> None:
    body = encoded(VOICE, container) + (1000 * np.ones(3 * RATE, "<i2")).tobytes()
    result = decoded(tmp_path, body)
    assert result.duration == pytest.approx(12.0, abs=3.1)
    if result.duration < 14.0:
        assert any("3.0 seconds of the recording lie behind the end" in warning for warning in result.warnings)


def seconds_told(warnings: tuple[str, ...]) -> float:
    """The seconds of the one warning."""
    (warning,) = warnings
    return float(warning.split()[0])


@pytest.mark.parametrize(
    ("container", "options"),
    [
        *(("wav", {}), ("wav", {"rf64": "always"}), ("w64", {}), ("aiff", {}), ("caf", {}), ("au", {})),
        *(("flac", {}), ("mp3", {}), ("matroska", {}), ("webm", {}), ("mp4", {"movflags": "faststart"})),
    ],
)
def test_the_little_that_a_header_announces_and_the_file_lacks_is_told_in_seconds(
    tmp_path: Path, container: str, options: dict[str, str]
) -> None:
    """Too little to give the recording up; nothing is said of a whole one."""
    body = encoded(VOICE, container, options=options)
    assert decoded(tmp_path, body).warnings == ()
    result = decoded(tmp_path, body[: len(body) * 19 // 20])
    assert 11.0 < result.duration < 11.7
    *damaged, missing = result.warnings  # a frame that is cut, and what is not there at all
    assert sum(seconds_told((each,)) for each in result.warnings) == pytest.approx(12.0 - result.duration, abs=0.2)
    assert "that the header announces are missing" in missing
    assert len(damaged) <= 1


def test_a_fragment_that_is_cut_is_told_in_seconds(tmp_path: Path) -> None:
    """Nothing says whether others would have followed."""
    body = muxed("mp4", Sound(VOICE), options={"movflags": "empty_moov+default_base_moof", "frag_duration": "500000"})
    last = body.rindex(b"moof") - 4
    assert decoded(tmp_path, body).warnings == decoded(tmp_path, body[:last]).warnings == ()
    start = body.index(b"mdat", body.rindex(b"moof", 0, last)) + 4
    assert 0.3 < seconds_told(decoded(tmp_path, body[: start + 300]).warnings) < 0.6


def test_a_first_page_that_cannot_be_read_is_silence_as_long_as_its_time_stamps_say(tmp_path: Path) -> None:
    body = muxed("ogg", Sound(VOICE, "libopus"))
    pages = [match.start() for match in re.finditer(b"OggS", body)]
    first = next(at for at in pages if any(body[at + 6 : at + 14])) + 200
    result = decoded(tmp_path, body[:first] + bytes([body[first] ^ 0xFF]) + body[first + 1 :])
    assert result.duration == pytest.approx(12.0, abs=0.1)
    assert 0.9 < seconds_told(result.warnings) < 1.3
    assert first_sound(heard(tmp_path)[:, 0]) > 0.9


def test_a_page_that_is_cut_is_told(tmp_path: Path) -> None:
    """However little of it is there."""
    body = muxed("ogg", Sound(VOICE, "libopus"))
    last = [match.start() for match in re.finditer(b"OggS", body)][-2]
    assert seconds_told(decoded(tmp_path, body[: last + 900]).warnings) == pytest.approx(0.1, abs=0.1)


def test_what_a_link_of_a_chain_announces_and_lacks_is_told_in_seconds(tmp_path: Path) -> None:
    """Its pages hold a second each, and the time stamps behind one that cannot be read say nothing of it."""
    opus, flac = encoded(VOICE, "ogg"), encoded_ogg_flac(VOICE)
    pages = [match.start() for match in re.finditer(b"OggS", flac)]
    at = pages[len(pages) // 2] + 300
    result = decoded(tmp_path, opus + flac[:at] + bytes([flac[at] ^ 0xFF]) + flac[at + 1 :] + opus)
    assert result.duration == pytest.approx(36.0, abs=0.3)
    assert 0.8 < seconds_told(result.warnings) < 2.2


@pytest.mark.parametrize("container", ["adts", "mp3"])
@pytest.mark.parametrize("place", ["behind the first frames", "at the end", "behind the end"])
def test_frames_without_a_container_that_cannot_be_read_are_told_in_seconds(
    tmp_path: Path, container: str, place: str
) -> None:
    body = encoded(VOICE, container, options={"write_xing": "0", "id3v2_version": "0"} if container == "mp3" else {})
    size = len(body) // 12
    start = {"behind the first frames": 700, "at the end": len(body) - size, "behind the end": len(body)}[place]
    garbage = np.random.default_rng(1).integers(0, 256, size, np.uint8).tobytes()
    result = decoded(tmp_path, body[:start] + garbage + body[start + size :])
    assert seconds_told(result.warnings) == pytest.approx(1.0, abs=0.4)


@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), b"APETAGEX" + struct.pack("<IIII8x", 2000, 9000, 1, 0xA0000000)])
def test_a_tag_behind_the_sound_is_no_damage(tmp_path: Path, tag: bytes) -> None:
    picture = np.random.default_rng(2).integers(0, 256, 9000, np.uint8).tobytes() if tag[:3] == b"APE" else b""
    result = decoded(tmp_path, encoded(VOICE, "mp3", options={"write_xing": "0"}) + tag + picture)
    assert result.duration == pytest.approx(12.0, abs=0.1)
    assert result.warnings == ()


ENDINGS = {
    "zeros of a file that was allocated ahead": bytes(65_536),
    "erased flash memory": b"\xff" * 65_536,
    "Lyrics3 and ID3v1": b"LYRICSBEGIN" + b"LYR03000" + b"a" * 3000 + b"003019LYRICS200" + b"TAG" + bytes(125),
    "a tag and zeros": b"TAG" + bytes(125) + bytes(5000),
}


@pytest.mark.parametrize("container", ["mp3", "adts"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ending_that_is_no_sound_is_no_damage(tmp_path: Path, container: str, ending: str) -> None:
    result = decoded(tmp_path, encoded(VOICE, container) + ENDINGS[ending])
    assert result.warnings == ()


@pytest.mark.parametrize("segments", [0, 1, 239])
def test_an_empty_last_page_is_no_damage(tmp_path: Path, segments: int) -> None:
    """As encoders write it whose last page was full."""
    body = encoded(VOICE, "ogg")
    last = body.rindex(b"OggS\0")
    head = body[last : last + 5] + b"\4" + body[last + 6 : last + 18]
    page = head + struct.pack("<IIB", 99, 0, segments) + bytes(segments)
    assert decoded(tmp_path, body + page).warnings == ()


def test_what_follows_damage_in_a_file_that_says_no_length_is_told(tmp_path: Path) -> None:
    """A recording of a browser; of a whole one nothing is said."""
    body = encoded(VOICE, "webm", options={"live": "1"})
    assert decoded(tmp_path, body).warnings == ()
    start = len(body) * 3 // 4
    result = decoded(tmp_path, body[:start] + b"\xff" * 3000 + body[start + 3000 :])
    assert result.duration + seconds_told(result.warnings) == pytest.approx(12.0, abs=1.0)
