"""Recordings of every container, made on the spot."""

import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from deploy.local.recordings.encoding import LAYOUTS, encode

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
    "w64": "pcm_s16le",
    "aiff": "pcm_s16be",
    "caf": "pcm_s16le",
    "au": "pcm_s16be",
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


def voice(seconds: float, hertz: float = 140.0, seed: int = 0, rate: int = RATE) -> npt.NDArray[np.float32]:
    """What has the loudness of speech [samples]: syllables of a buzz, four a second, a pause behind every few of them."""
    chance = np.random.default_rng(seed)
    samples = round(seconds * rate)
    time = np.arange(samples) / rate
    # the pitch wanders and breath is in it: nothing that repeats itself exactly has the correlations of speech
    pitch = np.interp(
        time * 5, np.arange(int(seconds * 5) + 2), hertz * chance.uniform(0.85, 1.15, int(seconds * 5) + 2)
    )
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    buzz = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 3000 // int(hertz)))
    buzz = buzz + 0.2 * chance.standard_normal(samples)
    syllables = chance.uniform(0.15, 1.0, int(seconds * 4) + 2)
    syllables[chance.integers(3, 7) :: 6] = 0.0
    envelope = np.interp(time * 4, np.arange(len(syllables)), syllables) ** 2
    return (0.15 * buzz * envelope).astype(np.float32)


def in_turn(*voices: npt.NDArray[np.float32], turn: float = 2.0, rate: int = RATE) -> npt.NDArray[np.float32]:
    """Voices of one length as channels [samples, voices], each silent while another has its turn of so many seconds."""
    turns = np.arange(len(voices[0])) // round(turn * rate)
    return np.stack([each * (turns % len(voices) == n) for n, each in enumerate(voices)], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Sound:
    """An audio track for `muxed`: samples [n], or [n, channels], and what its packets and its track are to say.

    `delays`: seconds by which time stamps are later than the sound, by the second of sound from which they are.
    """

    samples: npt.NDArray[np.float32]
    codec: str = "aac"
    delays: Mapping[float, float] = field(default_factory=dict)
    default: bool | None = None
    language: str = "und"
    title: str = ""


def muxed(
    container: str,
    *sounds: Sound,
    film: bool = False,
    chapters: Sequence[float] = (),
    rate: int = RATE,
    options: dict[str, str] | None = None,
) -> bytes:
    """A file with several tracks, time stamps as they are wanted, pictures, and chapters that end at so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        with av.open(str(path), "w", format=container, options={"fflags": "+bitexact", **(options or {})}) as media:
            picture = _picture(media) if film else None
            tracks = [_track(media, sound, rate) for sound in sounds]
            if chapters:
                media.set_chapters(_chapters(chapters))
            packets = [
                packet for stream, sound in zip(tracks, sounds, strict=True) for packet in _packets(stream, sound)
            ]
            seconds = max(len(sound.samples) for sound in sounds) / rate
            packets += _pictures(picture, seconds) if picture is not None else []
            for packet in sorted(packets, key=lambda packet: float((packet.dts or 0) * (packet.time_base or 0))):
                media.mux(packet)
        return path.read_bytes()


def _track(media: OutputContainer, sound: Sound, rate: int) -> AudioStream:
    channels = 1 if sound.samples.ndim == 1 else sound.samples.shape[1]
    stream = cast(AudioStream, media.add_stream(sound.codec, rate=rate, layout=LAYOUTS[channels]))
    stream.metadata["language"] = sound.language
    if sound.title:
        stream.metadata["title"] = sound.title
    if sound.default is not None:
        stream.disposition = Disposition.default if sound.default else Disposition(0)
    stream.codec_context.open()
    return stream


def _packets(stream: AudioStream, sound: Sound) -> list[Any]:
    columns = np.ascontiguousarray(sound.samples).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(columns, format="flt", layout=stream.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = stream.rate, 0, Fraction(1, stream.rate)
    size = stream.codec_context.frame_size or 1024
    fitted = av.AudioResampler(format=stream.format, layout=stream.layout.name, rate=stream.rate, frame_size=size)
    parts = [*fitted.resample(frame), *fitted.resample(None)]
    packets = [packet for part in (*parts, None) for packet in stream.encode(part)]
    for packet in packets:
        at = float((packet.pts or 0) * (packet.time_base or 0))
        delay = sum(later for since, later in sound.delays.items() if at >= since)
        ticks = round(delay / float(packet.time_base or 1))
        packet.pts, packet.dts = (packet.pts or 0) + ticks, (packet.dts or 0) + ticks
    return packets


def _picture(media: OutputContainer) -> VideoStream:
    stream = media.add_stream("mpeg4", rate=5)
    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
    return stream


def _pictures(stream: VideoStream, seconds: float) -> list[Any]:
    packets = []
    for n in range(int(5 * seconds)):
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), n % 255, np.uint8), format="rgb24")
        frame.pts, frame.time_base = n, Fraction(1, 5)
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)]


def _chapters(ends: Sequence[float]) -> list[Any]:
    starts = [0.0, *ends]
    return [
        {
            "id": n,
            "start": round(starts[n] * 1000),
            "end": round(end * 1000),
            "time_base": Fraction(1, 1000),
            "metadata": {"title": f"chapter {n + 1}"},
        }
        for n, end in enumerate(ends)
    ]


def wave(
    samples: npt.NDArray[np.float32], *, rate: int = RATE, riff: int | None = None, data: int | None = None
) -> bytes:
    """A WAV of 16 bits of samples [n] or [n, channels] without a speaker layout, with the lengths that it is to announce."""
    columns = samples[:, None] if samples.ndim == 1 else samples
    body = (np.clip(columns, -1, 1) * 32767).astype("<i2").tobytes()
    channels = columns.shape[1]
    pcm = b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    form = struct.pack("<HHIIHHHHI", 0xFFFE, channels, rate, rate * channels * 2, channels * 2, 16, 22, 16, 0) + pcm
    size = len(body) if data is None else data
    head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", min(len(head) + size, 0xFFFFFFFF) if riff is None else riff) + head + body
