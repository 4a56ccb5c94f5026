"""Decoded audio as all of this process knows it: one rate, one form, and word of how far the work on it is."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000  # Hz, of all decoded audio

Samples = npt.NDArray[np.float32]  # [samples] of one channel, or [samples, channels], within -1 .. 1
Progress = Callable[[float], None]
"""Told how many seconds of audio are done; may raise (NotOwner) to stop the work."""
