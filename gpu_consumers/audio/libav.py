"""PyAV wrapped safely: each container is opened by its own demuxer, and library errors become faults of the file.

The library may raise any error for a bad file: a stream of an unknown kind, or a header of absurd numbers, ends in an
AttributeError or an OverflowError as well as in one of its own. Only local problems remain ours: no memory, or a file
that cannot be read any more.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from gpu_consumers.audio.formats.container_sniffing import MP4, WAV, Container
from gpu_consumers.audio.formats.mp4 import ends_before_index
from gpu_consumers.audio.formats.probing import Part, Probed
from gpu_consumers.audio.tracks import Track
from schemas.errors import Permanent

log = logging.getLogger(__name__)

MAX_STREAMS = 32
MAX_CHANNELS = 16
RATES = range(2_000, 768_001)  # Hz; below, one frame would become gigabytes


def check_ours(error: Exception, source: Path) -> None:
    """Re-raise errors that are not the file's fault: `error` when memory is short, OSError when it cannot be read."""
    if isinstance(error, MemoryError) and not isinstance(error, av.error.FFmpegError):
        raise error
    with source.open("rb") as file:
        file.read(1)


@contextmanager
def opened(source: Path, probed: Probed, part: Part) -> Iterator[InputContainer]:
    """The container in a part of a file; raises Permanent: not_media, media_truncated."""
    try:
        media = av.open(
            str(source) if part.stop is None else f"subfile,,start,{part.start},end,{part.stop},,:{source}",
            format=probed.container.demuxer,
            options=_options(probed, part),
            metadata_errors="replace",
        )
    except Exception as error:  # see above
        check_ours(error, source)
        raise _unreadable(source, probed, error) from error
    with media:
        yield media


def _options(probed: Probed, part: Part) -> dict[str, str]:
    protocols = "file" if part.stop is None else "file,subfile"
    options = {"protocol_whitelist": protocols, "format_whitelist": probed.container.demuxer}
    if part.start and part.stop is None:
        options["skip_initial_bytes"] = str(part.start)
    if probed.container == WAV and probed.announced.behind and not probed.announced.parted:
        options["ignore_length"] = "1"
    return options


def _unreadable(source: Path, probed: Probed, error: Exception) -> Permanent:
    log.info("cannot be opened: %s: %s", type(error).__name__, error)
    if probed.container == MP4 and _is_cut(source, probed):
        return Permanent("media_truncated", f"{MP4.name} without its index")
    return error if isinstance(error, Permanent) else _damaged(probed.container, error)


def _is_cut(source: Path, probed: Probed) -> bool:
    with source.open("rb") as file:
        return ends_before_index(file, probed.parts[0].start, probed.size)


def _damaged(container: Container, error: Exception) -> Permanent:
    return Permanent("not_media", f"damaged {container.name} ({type(error).__name__})")


def tracks_of(source: Path, probed: Probed) -> tuple[Track, ...]:
    """The audio tracks that can be decoded, at least one; raises Permanent: not_media, media_truncated, media_no_audio."""
    with opened(source, probed, probed.parts[0]) as media:
        try:
            return _tracks(media)
        except Exception as error:  # see above
            check_ours(error, source)
            raise _unreadable(source, probed, error) from error


def _tracks(media: InputContainer) -> tuple[Track, ...]:
    if len(media.streams) > MAX_STREAMS:
        raise Permanent("not_media", f"{len(media.streams)} streams, at most {MAX_STREAMS}")
    streams = media.streams.audio
    if not streams:
        raise Permanent("media_no_audio", "only video or text" if len(media.streams) else "no streams")
    faults = [_fault(stream) for stream in streams]
    tracks = tuple(
        _track(number, stream)
        for number, (stream, fault) in enumerate(zip(streams, faults, strict=True), 1)
        if fault is None
    )
    if not tracks:
        raise Permanent("not_media", next(fault for fault in faults if fault is not None))
    return tracks


def _track(number: int, stream: AudioStream) -> Track:
    default = bool(stream.disposition & Disposition.default)
    return Track(number, default, (stream.language or "").lower(), stream.metadata.get("title", ""))


def _fault(stream: AudioStream) -> str | None:
    """The reason why a track cannot be decoded."""
    codec = codec_of(stream)
    return "a codec that is not known" if codec is None else form_fault(stream.rate or 0, codec.channels)


def codec_of(stream: AudioStream) -> AudioCodecContext | None:
    """The decoder of a track; None for a codec that the library does not know, whatever its types say."""
    return stream.codec_context


def form_fault(rate: int, channels: int) -> str | None:
    """The reason why sound of this form cannot be decoded, None when it can."""
    if rate not in RATES:
        return f"{rate} samples a second"
    return None if 1 <= channels <= MAX_CHANNELS else f"{channels} channels, at most {MAX_CHANNELS} are read"
