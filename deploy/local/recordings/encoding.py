"""Encoder of audio samples into a file of any container and codec."""

from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream

LAYOUTS = {1: "mono", 2: "stereo", 4: "4.0", 6: "5.1"}


def encode(
    samples: npt.NDArray[np.float32],
    path: Path,
    codec: str,
    rate: int,
    *,
    container: str | None = None,
    bits_per_second: int | None = None,
    options: dict[str, str] | None = None,
) -> None:
    """Write samples [n, channels] at `rate` Hz; without `container` it follows from the file's name."""
    layout = LAYOUTS[samples.shape[1]]
    # the same samples give the same bytes: no random serial number, no version of the writer
    options = {"fflags": "+bitexact", **(options or {})}
    with av.open(str(path), "w", format=container, options=options) as media:
        stream = cast(AudioStream, media.add_stream(codec, rate=rate, layout=layout))
        if bits_per_second:
            stream.bit_rate = bits_per_second
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = rate
        size = stream.codec_context.frame_size or None
        fitted = av.AudioResampler(format=stream.format, layout=layout, rate=stream.codec_context.rate, frame_size=size)
        for part in [*fitted.resample(frame), *fitted.resample(None)]:
            media.mux(stream.encode(part))
        media.mux(stream.encode(None))
