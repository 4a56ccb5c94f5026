"""Recordings of every container, made on the spot."""

import tempfile
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from deploy.local.recordings.encoding import encode

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


def encoded(
    samples: npt.NDArray[np.float32], container: str = "wav", rate: int = RATE, options: dict[str, str] | None = None
) -> bytes:
    """Samples [n] or [n, channels] in a container."""
    columns = samples[:, None] if samples.ndim == 1 else samples
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        encode(columns, path, CODECS[container], rate, container=container, options=options)
        return path.read_bytes()


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
