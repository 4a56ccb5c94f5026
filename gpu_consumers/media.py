"""A stranger's file to samples: the only module that opens media.

The container is told by its first bytes, opened by path with that one demuxer and no protocol but `file`, and
decoded frame by frame into an .npy file of float32 [samples, channels] at 16 kHz; limits count what was decoded,
never what a header says. The one use of a header: containers that announce their length must deliver it.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from gpu_consumers.core.container import Container, ends_early, sniff
from gpu_consumers.engine import SAMPLE_RATE, Samples
from schemas.errors import Permanent
from schemas.events import Channels

log = logging.getLogger(__name__)

HEAD_BYTES = 64 * 1024
MIN_SECONDS = 0.2
MAX_STREAMS = 32
MAX_CHANNELS = 16
RATES = range(2_000, 768_001)  # Hz; below, one frame would become gigabytes
SAME_ROOM = 0.5  # rms(left - right) / rms(left + right): 0 for one signal twice, 1 for two that share nothing
MISSING_SECONDS, MISSING_PART = 1.0, 0.02  # an announced length may be missed by so much
BLOCK = SAMPLE_RATE * 60

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What lies in the .npy file: seconds, channels (2 only when each is to be heard alone), what was skipped."""

    duration: float
    channels: int
    warnings: tuple[str, ...] = ()


def decode(source: Path, target: Path, channels: Channels, max_seconds: float, progress: Progress) -> Decoded:
    """Decode the recording `source` into the .npy file `target`.

    `progress` is told seconds after every frame and may raise to stop. Raises Permanent: media_empty, not_media,
    media_no_audio, media_too_short, media_too_long, media_truncated.
    """
    container = _sniffed(source)
    with _opened(source, container) as media:
        stream = _audio_stream(media)
        split = channels is not Channels.MIX and _channels(stream) == 2
        with target.open("w+b") as file:
            writer = _Writer(file, 2 if split else 1, max_seconds)
            reader = _Reader(media, stream, split)
            for block in reader.blocks():
                writer.write(block)
                progress(writer.seconds)
            writer.close()
    _check_length(writer.seconds, reader, container)
    if split and channels is Channels.AUTO and writer.loudness.same_room():
        _mix(target)
        return Decoded(writer.seconds, 1, reader.warnings)
    return Decoded(writer.seconds, 2 if split else 1, reader.warnings)


def load(path: Path) -> Samples:
    """The samples [samples, channels] of a decoded file, mapped from disk; writing to them changes no file."""
    samples: Samples = np.load(path, mmap_mode="c", allow_pickle=False)
    return samples


def _sniffed(source: Path) -> Container:
    with source.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if ends_early(head, source.stat().st_size):
        raise Permanent("media_truncated", f"{source.stat().st_size} bytes are there, the header announces more")
    return sniff(head)


@contextmanager
def _opened(source: Path, container: Container) -> Iterator[InputContainer]:
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(container.demuxers)}
    try:
        media = av.open(str(source), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        raise _unreadable(container, error) from error
    with media:
        yield media


def _unreadable(container: Container, error: Exception) -> Permanent:
    if container.index_last:
        return Permanent("media_truncated", f"{container.name} without its index")
    return Permanent("not_media", f"damaged {container.name} ({type(error).__name__})")


def _audio_stream(media: InputContainer) -> AudioStream:
    if len(media.streams) > MAX_STREAMS:
        raise Permanent("not_media", f"{len(media.streams)} streams, at most {MAX_STREAMS}")
    if not media.streams.audio:
        raise Permanent("media_no_audio", "only video or text" if len(media.streams) else "no streams")
    stream = media.streams.audio[0]
    if stream.codec_context is None:
        raise Permanent("not_media", "a codec that is not known")
    if stream.rate not in RATES:
        raise Permanent("not_media", f"{stream.rate} samples a second")
    if not 1 <= _channels(stream) <= MAX_CHANNELS:
        raise Permanent("not_media", f"{_channels(stream)} channels")
    return stream


def _channels(stream: AudioStream) -> int:
    return int(stream.codec_context.channels)


class _Reader:
    """The frames of one stream as blocks [samples, channels] at 16 kHz; damaged packets are skipped and counted."""

    def __init__(self, media: InputContainer, stream: AudioStream, split: bool) -> None:
        self._media, self._stream = media, stream
        self._layout = "stereo" if split else "mono"
        self._width = 2 if split else 1
        self.damaged = 0
        self.reached = 0.0  # seconds: the end of the last packet of any stream
        self.announced = (media.duration or 0) / av.time_base

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the transcript should know."""
        return (f"{self.damaged} damaged parts of the recording were skipped",) if self.damaged else ()

    def blocks(self) -> Iterator[Samples]:
        """Everything that can be decoded."""
        resampler, form = None, None
        for frame in self._frames():
            if (found := (frame.format.name, frame.layout.name, frame.sample_rate)) != form:
                _check_frame(frame)
                yield from self._resampled(resampler, None)
                resampler = AudioResampler(format="flt", layout=self._layout, rate=SAMPLE_RATE)
                form = found
            frame.pts = None  # gaps and jumps of time stamps are none of ours
            yield from self._resampled(resampler, frame)
        yield from self._resampled(resampler, None)

    def _resampled(self, resampler: AudioResampler | None, frame: AudioFrame | None) -> Iterator[Samples]:
        if resampler is None:
            return
        try:
            frames = resampler.resample(frame)
        except (av.error.FFmpegError, ValueError):
            self.damaged += 1
            return
        for done in frames:
            yield done.to_ndarray().reshape(-1, self._width).astype(np.float32, copy=False)

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._media.demux()
        while True:
            try:
                packet = next(packets)
                end = (packet.pts or 0) + (packet.duration or 0)
                if packet.time_base and end > 0:
                    self.reached = max(self.reached, float(end * packet.time_base))
                # an empty packet at the end empties the decoder
                if packet.stream_index == self._stream.index:
                    yield from packet.decode()  # type: ignore[misc]
            except StopIteration:
                return
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, ValueError) as error:
                self.damaged += 1
                log.debug("skipped: %s", error)
                if isinstance(error, OSError):
                    return


def _check_frame(frame: AudioFrame) -> None:
    if frame.sample_rate not in RATES or not 1 <= frame.layout.nb_channels <= MAX_CHANNELS:
        raise Permanent("not_media", f"{frame.sample_rate} samples a second in {frame.layout.nb_channels} channels")


@dataclass(slots=True)
class _Loudness:
    """Energies of the difference and the sum of two channels."""

    difference: float = 0.0
    total: float = 0.0

    def add(self, block: Samples) -> None:
        if block.shape[1] == 2:
            left, right = block[:, 0].astype(np.float64), block[:, 1].astype(np.float64)
            self.difference += float(np.sum((left - right) ** 2))
            self.total += float(np.sum((left + right) ** 2))

    def same_room(self) -> bool:
        """Whether both channels heard the same, so that they are one recording and not a call."""
        return self.difference < SAME_ROOM**2 * self.total or self.difference == 0.0


@dataclass(slots=True)
class _Writer:
    """Writes an .npy file whose length is known only at its end."""

    file: BinaryIO
    channels: int
    max_seconds: float
    samples: int = 0
    loudness: _Loudness = field(default_factory=_Loudness)

    def __post_init__(self) -> None:
        self._header()

    @property
    def seconds(self) -> float:
        """What was written so far."""
        return self.samples / SAMPLE_RATE

    def write(self, block: Samples) -> None:
        """Append a block [samples, channels]; raises Permanent(media_too_long)."""
        self.samples += len(block)
        if self.seconds > self.max_seconds:
            raise Permanent("media_too_long", f"more than {self.max_seconds:.0f} seconds")
        block = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0)
        self.loudness.add(block)
        self.file.write(block.tobytes())

    def close(self) -> None:
        """Write the length into the header."""
        self.file.seek(0)
        self._header()

    def _header(self) -> None:
        # numpy leaves room in the header for the first axis to grow, so it may be written again in place
        np.lib.format.write_array_header_1_0(
            self.file, {"descr": "<f4", "fortran_order": False, "shape": (self.samples, self.channels)}
        )


def _check_length(seconds: float, reader: _Reader, container: Container) -> None:
    if container.announces and _falls_short(max(reader.reached, seconds), reader.announced):
        raise Permanent("media_truncated", f"{seconds:.1f} of {reader.announced:.1f} announced seconds are there")
    if seconds == 0.0 and reader.damaged:
        raise Permanent("not_media", f"nothing in this {container.name} could be decoded")
    if seconds < MIN_SECONDS:
        raise Permanent("media_too_short", f"{seconds:.2f} seconds")


def _falls_short(reached: float, announced: float) -> bool:
    return reached < announced - max(MISSING_SECONDS, MISSING_PART * announced)


def _mix(path: Path) -> None:
    """Replace two channels by their mean, a minute at a time."""
    both = load(path)
    mixed = path.with_name(path.name + ".mono")
    with mixed.open("w+b") as file:
        writer = _Writer(file, 1, float("inf"))
        for start in range(0, len(both), BLOCK):
            writer.write(both[start : start + BLOCK].mean(axis=1, keepdims=True, dtype=np.float32))
        writer.close()
    mixed.replace(path)
