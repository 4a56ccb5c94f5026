"""Speech regions of a recording, searched piece by piece, so that each search is short."""

from collections.abc import Callable, Sequence

import numpy as np

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.speech.vad_windows import Region

PIECE = 240 * SAMPLE_RATE  # samples in which speech is searched, and then transcribed, before the next ones

VoiceDetector = Callable[[Samples, float], Sequence[Region]]
"""Finds the regions of speech in samples [n]; none longer than so many seconds, where a pause allows that."""


def next_regions(detect: VoiceDetector, samples: Samples, start: int, longest: float) -> tuple[list[Region], int]:
    """The regions of speech in the piece of `samples` that begins at `start`, and where the next piece begins.

    Speech that touches the end of a piece is left to the next one.
    """
    piece = np.ascontiguousarray(samples[start : start + PIECE])
    found = list(detect(piece, longest))
    end = start + len(piece)
    if end < len(samples) and found and found[-1].end >= len(piece) and found[-1].start > 0:
        end = start + found.pop().start
    return [Region(start + region.start, start + region.end) for region in found], end
