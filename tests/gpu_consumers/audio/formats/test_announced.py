"""What headers announce, and what of it is there."""

import struct
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.audio.formats.announced import NOTHING, announced, shortfall
from gpu_consumers.audio.formats.container_sniffing import AIFF, AU, CAF, FLAC, OGG, WAV, WAVE64, Container, sniff
from tests.media_files import Sound, encoded, muxed, tone, wave

TONE = tone(4.0, rate=16000)
CONTAINERS = {"wav": WAV, "w64": WAVE64, "aiff": AIFF, "caf": CAF, "au": AU}


def read(body: bytes, container: Container) -> object:
    return announced(BytesIO(body), container, 0, len(body))


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_whole_file_is_whole(name: str) -> None:
    body = encoded(TONE, name, 16000)
    assert sniff(body) == CONTAINERS[name]
    found = announced(BytesIO(body), sniff(body), 0, len(body))
    assert (found.size, found.bytes_a_second, found.behind) == (128_000, 32_000, 0)
    assert found.missing() is None


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("tags_in_front", [0, 100])
def test_half_a_file_is_told_in_seconds(name: str, tags_in_front: int) -> None:
    body = bytes(tags_in_front) + encoded(TONE, name, 16000)
    half = body[: len(body) // 2]
    missing = announced(BytesIO(half), CONTAINERS[name], tags_in_front, len(half)).missing()
    assert missing is not None
    assert missing.endswith("of 4.0 announced seconds are there")
    assert 1.8 < float(missing.split()[0]) < 2.1


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        (wave(TONE, rate=16000, data=0), None),
        (wave(TONE, rate=16000, data=0xFFFFFFFF), None),
        (wave(TONE, rate=16000, data=0x7FFFFFFF), None),
        (wave(TONE, rate=16000, riff=10_000_000), None),
        (wave(TONE, rate=16000, riff=0), None),
        (wave(TONE, rate=16000, data=10 * 32_000), "4.0 of 10.0 announced seconds are there"),
        (wave(TONE, rate=16000)[:-30_000], None),
        (wave(TONE, rate=16000)[:-40_000], "2.8 of 4.0 announced seconds are there"),
        (encoded(TONE, "wav", 16000, {"rf64": "always"})[:70_000], "2.2 of 4.0 announced seconds are there"),
    ],
)
def test_seconds_of_sound_count_and_nothing_else(body: bytes, missing: str | None) -> None:
    """Not what a file says of itself, if the samples are there."""
    assert announced(BytesIO(body), WAV, 0, len(body)).missing() == missing


@pytest.mark.parametrize(
    ("behind", "sound"),
    [
        (b"LIST" + struct.pack("<I", 4) + b"INFO", 0),
        (b"LIST" + struct.pack("<I", 4000) + b"INFO", 0),
        (b"abcd" + struct.pack("<I", 4) + b"INFO", 0),
        (b"abcd" + struct.pack("<I", 9000) + b"INFO", 12),
        (b"\x01\x00\x02\x00" * 1000, 4000),
        (b"\0", 0),
    ],
    ids=["a list", "a list that is cut", "an unknown chunk", "no chunk", "samples", "padding"],
)
def test_what_lies_behind_the_samples(behind: bytes, sound: int) -> None:
    body = wave(TONE, rate=16000) + behind
    assert announced(BytesIO(body), WAV, 0, len(body)).behind == sound


def byte_rate(body: bytes, a_second: int) -> bytes:
    """A WAV of `wave` whose header says so many bytes a second."""
    return body[:28] + struct.pack("<I", a_second) + body[32:]


@pytest.mark.parametrize("a_second", [0, 16, 31_999, 4_000_000_000])
def test_seconds_are_told_by_the_samples_and_not_by_what_the_header_says_a_second_has(a_second: int) -> None:
    """Many writers leave a wrong number there."""
    found = announced(BytesIO(byte_rate(wave(TONE, rate=16000), a_second)), WAV, 0, 1_000_000)
    assert found.bytes_a_second == 32_000
    short = byte_rate(wave(TONE, rate=16000)[:-40_000], a_second)
    assert announced(BytesIO(short), WAV, 0, len(short)).missing() == "2.8 of 4.0 announced seconds are there"


def test_compressed_samples_are_judged_by_what_was_made_of_them() -> None:
    body = muxed("wav", Sound(tone(20.0), "adpcm_ms"))
    found = announced(BytesIO(body), WAV, 0, len(body) * 9 // 10)
    assert found.bytes_a_second is None
    assert found.length(18.0) == pytest.approx(20.0, abs=0.1)
    assert announced(BytesIO(body), WAV, 0, len(body)).length(20.0) == 20.0


@pytest.mark.parametrize("length", [0, 2**64 - 1])
def test_rf64_whose_recorder_never_came_to_its_end_goes_on_to_the_end_of_the_file(length: int) -> None:
    body = bytearray(encoded(TONE, "wav", 16000, {"rf64": "always"}))
    at = body.index(b"ds64")
    body[at + 16 : at + 24] = struct.pack("<Q", length)
    found = announced(BytesIO(bytes(body)), WAV, 0, len(body))
    assert (found.size, found.behind, found.missing()) == (None, 128_000, None)


@pytest.mark.parametrize(
    ("name", "options", "chunk", "place", "number"),
    [
        ("wav", {"rf64": "always"}, b"ds64", 16, "<Q"),
        ("w64", {}, b"data", 16, "<Q"),
        ("caf", {}, b"data", 4, ">Q"),
    ],
)
@pytest.mark.parametrize("length", [2**60, 2**62 - 1, 2**63 - 1, 2**64 - 2])
def test_a_length_that_no_disk_has_leads_nowhere(
    tmp_path: Path, name: str, options: dict[str, str], chunk: bytes, place: int, number: str, length: int
) -> None:
    """In a file: memory can be read at any place, a disk at none beyond the largest file that it could hold."""
    body = bytearray(encoded(TONE, name, 16000, options))
    at = body.index(chunk) + place
    body[at : at + 8] = struct.pack(number, length)
    path = tmp_path / "recording"
    path.write_bytes(body)
    with path.open("rb") as file:
        found = announced(file, CONTAINERS[name], 0, len(body))
    assert found.behind == 0 or found.size is None


@pytest.mark.parametrize("between", [b"", b"LIST" + struct.pack("<I", 4) + b"INFO"])
def test_a_second_chunk_of_samples_is_known(between: bytes) -> None:
    body = wave(TONE, rate=16000) + between + b"data" + struct.pack("<I", 64_000) + bytes(64_000)
    found = announced(BytesIO(body), WAV, 0, len(body))
    assert (found.parted, found.seconds_behind) == (True, 2.0)


def test_packets_of_no_fixed_size_need_their_table() -> None:
    body = muxed("caf", Sound(tone(4.0), "alac"))
    assert announced(BytesIO(body), CAF, 0, len(body)).missing() is None
    for size in (len(body) - 20, body.index(b"pakt")):
        assert announced(BytesIO(body[:size]), CAF, 0, size).missing() == "its index is not there"


def test_flac_announces_samples_in_ogg_too() -> None:
    info = encoded(TONE, "flac", 16000)[4:42]
    page = b"OggS\0\x02" + bytes(20) + b"\x01\x33" + b"\x7fFLAC\x01\0\0\x01fLaC" + info
    assert announced(BytesIO(page), OGG, 0, len(page)).seconds == pytest.approx(4.0)
    assert announced(BytesIO(page[:40]), OGG, 0, 40).seconds is None


def test_flac_announces_samples() -> None:
    body = encoded(TONE, "flac", 16000)
    assert announced(BytesIO(body), FLAC, 0, len(body)).seconds == pytest.approx(4.0)
    streamed = body[:18] + bytes([*body[18:21], body[21] & 0xF0, 0, 0, 0, 0]) + body[26:]
    assert announced(BytesIO(streamed), FLAC, 0, len(body)).seconds is None


@pytest.mark.parametrize("name", [*CONTAINERS, "flac"])
@given(cut=st.integers(0, 400), at=st.integers(0, 200), put=st.binary(max_size=20))
def test_any_header_has_an_answer(name: str, cut: int, at: int, put: bytes) -> None:
    body = HEADERS[name][:at] + put + HEADERS[name][at + len(put) :]
    found = announced(BytesIO(body[:cut]), CONTAINERS.get(name, FLAC), 0, cut)
    missing = found.missing()
    assert found == NOTHING or missing is None or "announced" in missing or found.no_index
    assert found.behind >= 0


HEADERS = {name: encoded(tone(0.1, rate=16000), name, 16000)[:400] for name in [*CONTAINERS, "flac"]}


@pytest.mark.parametrize(("present", "short"), [(100.0, False), (98.5, False), (97.0, True)])
def test_small_differences_are_nothing_to_speak_of(present: float, short: bool) -> None:
    assert (shortfall(present, 100.0) is not None) is short


def test_a_chunk_of_a_negative_size_holds_nothing() -> None:
    """Its sign is a bit like others."""
    body = bytearray(encoded(TONE, "caf", 16000))
    body[12] |= 0x80
    assert announced(BytesIO(bytes(body)), CAF, 0, len(body)) == NOTHING
