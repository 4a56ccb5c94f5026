"""Samples as files."""

import wave
from pathlib import Path

import numpy as np

from deploy.local.models.training.speech import SAMPLE_RATE, Samples


def write_wav(samples: Samples, path: Path) -> Path:
    """Mono samples in [-1, 1] as 16-bit WAV at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "NONE"))
        file.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return path
