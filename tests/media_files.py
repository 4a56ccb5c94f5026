"""Recordings of every container, made on the spot."""

import tempfile
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

RATE = 48_000
CODECS = {
    "wav": "pcm_s16le",
    "mp3": "libmp3lame",
    "flac": "flac",
    "ogg": "libopus",
    "ipod": "aac",
    "mp4": "aac",
    "matroska": "libopus",
    "webm": "libopus",
    "adts": "aac",
}


def tone(seconds: float, hertz: float = 440.0, rate: int = RATE) -> npt.NDArray[np.float32]:
    """A tone [samples] at `rate` Hz."""
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(samples: npt.NDArray[np.float32], container: str = "wav", rate: int = RATE, **options: str) -> bytes:
    """Samples [n] or [n, channels] in a container."""
    columns = samples[:, None] if samples.ndim == 1 else samples
    layout = {1: "mono", 2: "stereo", 4: "4.0", 6: "5.1"}[columns.shape[1]]
    with tempfile.NamedTemporaryFile() as file:
        _write(file.name, columns, layout, container, rate, options)
        return Path(file.name).read_bytes()


def _write(
    path: str, columns: npt.NDArray[np.float32], layout: str, container: str, rate: int, options: dict[str, str]
) -> None:
    with av.open(path, "w", format=container, options=options) as media:
        stream = media.add_stream(CODECS[container], rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(columns).reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            format=stream.format, layout=layout, rate=rate, frame_size=stream.codec_context.frame_size or None
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            media.mux(stream.encode(part))
        media.mux(stream.encode(None))


def silent_film(seconds: int = 1) -> bytes:
    """An MP4 with pictures and no sound."""
    out = BytesIO()
    with av.open(out, "w", format="mp4") as media:
        stream = media.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(10 * seconds):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), index, np.uint8), format="rgb24")
            media.mux(stream.encode(frame))
        media.mux(stream.encode(None))
    return out.getvalue()
