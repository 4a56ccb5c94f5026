"""Probing of a file: its container and the start of its recording, after tags, padding and other leading bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gpu_consumers.audio.formats.announced import NOTHING, Announced, announced
from gpu_consumers.audio.formats.container_sniffing import AAC, MP3, MP4, MP4_BOXES, OGG, Container, sniff, text_kind
from gpu_consumers.audio.formats.endings import PADDING, ending_bytes
from gpu_consumers.audio.formats.mpeg import find_frames, frame_header
from gpu_consumers.audio.formats.ogg import PAGE_HEADER_BYTES, PAGE_MARK
from schemas.errors import Permanent

HEAD_BYTES = 64 * 1024
MAX_TAGS = 100
SEARCH_BYTES = 1024 * 1024  # so far a stream without a container is looked for behind what is none
BLOCK_BYTES = 1024 * 1024
MAX_LINKS = 10_000  # of a chain; what follows the last is read as if it were more of it
FRAMES_BYTES = 16 * 1024  # hold a few frames of any size
TAGS = (b"ID3", b"APETAGEX")
_CODECS = (b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex   ", b"\x80theora", b"fishead", b"BBCD", b"PCM     ")


@dataclass(frozen=True, slots=True)
class Part:
    """A byte range of a file, from `start` to `stop` (None: to its end), that a demuxer reads by itself."""

    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    """The container, its parts (several only for chained streams), its announced length, and the size of the file.

    `skipped`: bytes in front of the first frames of a stream without a container that are neither tags nor padding.
    `ending`: bytes behind the last one that are tags or padding.
    """

    container: Container
    parts: tuple[Part, ...] = (Part(),)
    announced: Announced = NOTHING
    size: int = 0
    skipped: int = 0
    ending: int = 0


def probe(source: Path) -> Probed:
    """Probe a file; raises Permanent: media_empty, not_media."""
    size = source.stat().st_size
    with source.open("rb") as file:
        start = _behind_tags(file, size)
        offset, container = _begin(file, start)
        # what says where its samples lie counts from its own beginning
        whole = Part(offset, size if offset and container == MP4 else None)
        parts = _links(file, offset) if container == OGG else (whole,)
        bare = container in (MP3, AAC)
        skipped, ending = (_skipped(file, start, offset), ending_bytes(file, size)) if bare else (0, 0)
        return Probed(container, parts, announced(file, container, offset, size), size, skipped, ending)


def _begin(file: BinaryIO, offset: int) -> tuple[int, Container]:
    """The start of a container at `offset` or after padding and garbage there; raises Permanent(not_media)."""
    head = _head(file, offset)
    if (found := _certain(head)) is not None:
        return offset, found
    run = _run(file, offset, head[:1]) if head[:1] in PADDING else 0
    # the last byte of padding may be the first one of a frame
    for place in (offset + run, offset + run - 1) if run else ():
        if (found := _certain(_head(file, place))) is not None:
            return place, found
    offset += _frames_behind(file, offset, head)
    return offset, sniff(_head(file, offset))


def _head(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    return file.read(HEAD_BYTES)


def _certain(head: bytes) -> Container | None:
    """The container that begins with `head`; MP3 and AAC need consecutive frames, as two bytes prove nothing."""
    try:
        found = sniff(head)
    except Permanent:
        return None
    return found if found not in (MP3, AAC) or find_frames(head[:FRAMES_BYTES]) == 0 else None


def _run(file: BinaryIO, at: int, byte: bytes) -> int:
    """The number of times that a byte is repeated from `at` on."""
    file.seek(at)
    count = 0
    while block := file.read(HEAD_BYTES):
        rest = block.lstrip(byte)
        count += len(block) - len(rest)
        if rest:
            break
    return count


def _skipped(file: BinaryIO, start: int, stop: int) -> int:
    """Bytes between the tags and the first frames, without padding; what a tag with a wrong size leaves is no sound."""
    head = _head(file, start)
    if frame_header(head) is not None:
        return stop - start
    if start:
        return 0
    padding = _run(file, start, head[:1]) if head[:1] in PADDING else 0
    return max(0, stop - start - padding)


def _behind_tags(file: BinaryIO, size: int) -> int:
    """The first byte after ID3 and APE tags and zeros; 0 when nothing follows them."""
    at = 0
    for _ in range(MAX_TAGS):
        file.seek(at)
        head = file.read(32)
        length = tag_bytes(head) or (_zeros(file, at) if head[:4] == bytes(4) else 0)
        if not length:
            break
        at += length
    return at if at < size else 0


def tag_bytes(head: bytes) -> int:
    """The size of the tag that begins with `head`, 0 where none does."""
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return 10 + length + (10 if head[5] & 0x10 else 0)
    if head[:8] == b"APETAGEX" and len(head) >= 24:
        return 32 + int.from_bytes(head[12:16], "little")
    return 0


def _zeros(file: BinaryIO, at: int) -> int:
    """The number of padding zeros at `at`."""
    count = _run(file, at, b"\0")
    # an MP4 box begins with its size, and that with zeros
    for size_zeros in range(1, 4):
        file.seek(at + count - size_zeros)
        if count >= size_zeros and file.read(8)[4:] in MP4_BOXES:
            return count - size_zeros
    return count


def _frames_behind(file: BinaryIO, offset: int, head: bytes) -> int:
    """The distance from `offset` to consecutive frames; 0 when there are none within SEARCH_BYTES, or for a text."""
    if text_kind(head) is not None:
        return 0
    file.seek(offset)
    return find_frames(file.read(SEARCH_BYTES)) or 0


def _links(file: BinaryIO, offset: int) -> tuple[Part, ...]:
    """The links of a chain of Ogg streams: each begins with the first pages of its streams, interleaved.

    A demuxer treats the following link as a continuation, even where it has another codec.
    """
    starts, end = [offset], -1
    for page, length in _first_pages(file, offset):
        if page not in (offset, end):
            starts.append(page)
        end = page + length
        if len(starts) == MAX_LINKS:
            break
    stops = [*starts[1:], None]
    return tuple(Part(start, stop) for start, stop in zip(starts, stops, strict=True))


def _first_pages(file: BinaryIO, start: int) -> Iterator[tuple[int, int]]:
    """The positions and lengths of the Ogg pages with which streams begin."""
    at = start
    file.seek(at)
    while len(block := file.read(BLOCK_BYTES)) > PAGE_HEADER_BYTES:
        found = block.find(PAGE_MARK)
        while 0 <= found <= len(block) - PAGE_HEADER_BYTES:
            header = block[found : found + PAGE_HEADER_BYTES]
            # the first of a stream, at no time, number 0
            if header[5] & 2 and not any(header[6:14]) and not any(header[18:22]):
                yield from _first_page(file, at + found, header[26])
            found = block.find(PAGE_MARK, found + 1)
        at += len(block) - PAGE_HEADER_BYTES + 1
        file.seek(at)


def _first_page(file: BinaryIO, page: int, segments: int) -> Iterator[tuple[int, int]]:
    """The page with its length, if it names a known codec, so that damage does not look like a stream."""
    file.seek(page + PAGE_HEADER_BYTES)
    body = file.read(segments + 8)
    if body[segments:].startswith(_CODECS):
        yield page, PAGE_HEADER_BYTES + segments + sum(body[:segments])
