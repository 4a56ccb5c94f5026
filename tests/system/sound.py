"""Samples as files."""

import wave
from pathlib import Path

import numpy as np

from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from schemas.events import Channels


def write_wav(samples: Samples, path: Path) -> Path:
    """Mono samples in [-1, 1] as 16-bit WAV at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "NONE"))
        file.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return path


def write_beginning(recording: Path, seconds: float, path: Path) -> Path:
    """The first seconds of a recording as WAV."""
    samples = path.with_suffix(".npy")
    decode(recording, samples, Channels.MIX, 600.0, lambda _: None)
    return write_wav(load(samples)[: int(seconds * SAMPLE_RATE), 0], path)
