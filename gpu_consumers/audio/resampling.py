"""Resampling of frames of any form to 16 kHz, in the number of channels of the first frame."""

from collections.abc import Iterator

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples

LOUDEST = 1e6  # of a sample; there are files of floats that count like integers


class Resampler:
    """Resamples frames in sequence; their form may change on the way, the number of output channels does not."""

    def __init__(self) -> None:
        self.channels = 0
        self._form: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None

    def push(self, frame: AudioFrame) -> Iterator[Samples]:
        """Blocks [samples, channels] of a frame, and buffered samples of frames of another form."""
        form = frame.format.name, frame.layout.name, frame.sample_rate
        if form != self._form:
            yield from self.flush()
            self.channels = self.channels or frame.layout.nb_channels
            self._resampler = AudioResampler(format="flt", layout=frame.layout.name, rate=SAMPLE_RATE)
            self._form = form
        frame.pts = None  # gaps are found before
        yield from self._blocks(frame)

    def flush(self) -> Iterator[Samples]:
        """The samples still in the buffer."""
        yield from self._blocks(None)
        self._resampler = None
        self._form = None

    def _blocks(self, frame: AudioFrame | None) -> Iterator[Samples]:
        if self._resampler is not None:
            for done in self._resampler.resample(frame):
                yield _fitted(_samples(done), self.channels)


def _samples(frame: AudioFrame) -> Samples:
    block = frame.to_ndarray().reshape(-1, frame.layout.nb_channels).astype(np.float32, copy=False)
    return np.clip(np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0), -LOUDEST, LOUDEST)


def _fitted(block: Samples, channels: int) -> Samples:
    """The sound converted to so many channels."""
    if block.shape[1] == channels:
        return block
    return np.repeat(block.mean(axis=1, keepdims=True, dtype=np.float32), channels, axis=1)
