"""Types of decoded audio in this process: one sample rate, one array form, one progress callback."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000  # Hz, of all decoded audio

Samples = npt.NDArray[np.float32]  # [samples] of one channel, or [samples, channels], within -1 .. 1
Progress = Callable[[float], None]
"""Told how many seconds of audio are done; may raise (NotOwner) to stop the work."""
