"""Frames of MP3 and ADTS among other bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.audio.formats.mpeg import announced_seconds, find_frames, frame_header
from tests.media_files import encoded, tone

MP3 = encoded(tone(3.0), "mp3", options={"write_xing": "0", "id3v2_version": "0"})
ADTS = encoded(tone(3.0), "adts")


@pytest.mark.parametrize("stream", [MP3, ADTS], ids=["MP3", "ADTS"])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_every_header_leads_to_the_next_one(stream: bytes, rate: int) -> None:
    body = encoded(
        tone(1.0, rate=rate),
        "mp3" if stream is MP3 else "adts",
        rate,
        {"write_xing": "0", "id3v2_version": "0"} if stream is MP3 else None,
    )
    at = frames = 0
    while (frame := frame_header(body, at)) is not None:
        assert frame.rate == rate
        at, frames = at + frame.size, frames + 1
    assert at == len(body)
    assert frames * frame_header(body).samples / rate == pytest.approx(1.0, abs=0.35)  # type: ignore[union-attr]


@pytest.mark.parametrize("stream", [MP3, ADTS], ids=["MP3", "ADTS"])
def test_a_stream_is_found_behind_anything(stream: bytes) -> None:
    """Also behind syncs that lead nowhere."""
    noise = np.random.default_rng(1).integers(0, 256, 50_000, np.uint8).tobytes()
    for front in (b"", bytes(999), b"\xff\xfb\x90\x64" * 100, noise):
        assert find_frames(front + stream) == len(front)


@given(st.binary(max_size=4096))
def test_chance_is_no_stream(data: bytes) -> None:
    assert find_frames(data) is None or len(data) > 4 * 24


@given(st.binary(max_size=64))
def test_any_bytes_have_an_answer(head: bytes) -> None:
    frame = frame_header(head)
    assert frame is None or (frame.size >= 7 and frame.rate > 0)
    seconds = announced_seconds(head)
    assert seconds is None or seconds > 0


def test_a_first_frame_may_announce_a_length() -> None:
    """Xing, Info and VBRI."""
    for container_options in ({}, {"b": "64k"}):
        body = encoded(tone(3.0), "mp3", options={"id3v2_version": "0", **container_options})
        assert announced_seconds(body) == pytest.approx(3.0, abs=0.1)
    vbri = MP3[:36] + b"VBRI" + bytes(10) + (125).to_bytes(4, "big") + bytes(100)
    assert announced_seconds(vbri) == pytest.approx(3.0)
    assert announced_seconds(MP3) is None
