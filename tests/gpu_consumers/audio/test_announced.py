"""What headers announce, and what of it is there."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.audio.announced import NOTHING, announced, shortfall
from gpu_consumers.core.container import AIFF, AU, CAF, FLAC, WAV, WAVE64, Container, sniff
from tests.media_files import encoded, tone, wave

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
    assert found == NOTHING or found.missing() is None or "announced" in (found.missing() or "")
    assert found.behind >= 0


HEADERS = {name: encoded(tone(0.1, rate=16000), name, 16000)[:400] for name in [*CONTAINERS, "flac"]}


@pytest.mark.parametrize(("there", "short"), [(100.0, False), (98.5, False), (97.0, True)])
def test_small_differences_are_nothing_to_speak_of(there: float, short: bool) -> None:
    assert (shortfall(there, 100.0) is not None) is short
