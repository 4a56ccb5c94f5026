"""Decoding for tests: voices, and what becomes of recordings made of them."""

from pathlib import Path

import numpy as np
import pytest

from gpu_consumers.audio.decode import Decoded, decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from schemas.errors import Permanent
from schemas.events import Channels
from tests.media_files import Sound, encoded, in_turn, muxed, voice


def decoded(tmp_path: Path, body: bytes, channels: Channels = Channels.AUTO, limit: float = 60.0) -> Decoded:
    source = tmp_path / "recording"
    source.write_bytes(body)
    return decode(source, tmp_path / "samples.npy", channels, limit, lambda _: None)


def heard(tmp_path: Path) -> Samples:
    """What was decoded last, in memory: the next one overwrites the file."""
    return np.array(load(tmp_path / "samples.npy"))


def code_of(tmp_path: Path, body: bytes, limit: float = 60.0) -> str:
    with pytest.raises(Permanent) as caught:
        decoded(tmp_path, body, limit=limit)
    return caught.value.code


VOICE = voice(12.0)

LOUDNESS = float(np.sqrt(np.mean(VOICE**2)))

CALL = in_turn(VOICE, voice(12.0, 210.0, seed=1))


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def load_mono(samples: np.ndarray, tmp_path: Path) -> Samples:
    decoded(tmp_path, encoded(samples))
    return heard(tmp_path)


def offset_of(samples: np.ndarray, other: np.ndarray) -> float:
    """Seconds between two recordings of the same."""
    size = len(samples) + len(other)
    shifted = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(other, size)), size)
    peak = int(np.argmax(shifted))
    return min(peak, size - peak) / SAMPLE_RATE


def first_sound(samples: np.ndarray, since: float = 0.0) -> float:
    """When something is to be heard from `since` on, in seconds."""
    start = round(since * SAMPLE_RATE)
    return since + int(np.argmax(np.abs(samples[start:]) > 0.01)) / SAMPLE_RATE


def encoded_ogg_flac(samples: np.ndarray) -> bytes:
    return muxed("ogg", Sound(samples, "flac"))
