"""Announced lengths in headers of uncompressed audio (WAV, RF64, Wave64, AIFF, CAF, AU) and of FLAC.

Pure but for reading from the file that is given; nothing is believed, only compared with what is there.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from gpu_consumers.audio.formats.container_sniffing import AIFF, AU, CAF, FLAC, MP3, OGG, WAV, WAVE64, Container
from gpu_consumers.audio.formats.mpeg import announced_seconds

MAX_CHUNKS = 1000
LARGEST = 0x7FFFF000  # bytes; from here on 32 bits stand for no length
MISSING_SECONDS, MISSING_PART = 1.0, 0.02  # an announced length may be missed by so much
MISSING_BYTES = 32_000  # the same where nobody knows how many bytes a second has
LEAST_MISSING = 0.3  # seconds; less is what an encoder put around the sound
EXTENSIBLE = 0xFFFE
PLAIN_SAMPLES = frozenset({1, 3, 6, 7})  # integers, floats, A-law, mu-law
_CHUNKS_BEHIND = frozenset(  # the last of them may be cut
    (
        *(b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"axml", b"chna", b"fact", b"cue ", b"smpl", b"inst", b"JUNK"),
        *(b"junk", b"PAD ", b"FLLR", b"_PMX", b"DISP", b"PEAK", b"acid", b"afsp", b"umid", b"levl", b"SAUR", b"AFAn"),
        *(b"MARK", b"NAME", b"AUTH", b"ANNO", b"APPL", b"COMT", b"COMM", b"FVER", b"INST", b"MIDI", b"(c) ", b"minf"),
        *(b"elm1", b"regn", b"strt", b"info", b"ovvw", b"uuid", b"free", b"peak", b"pakt"),
    )
)
_WAVE64_CHUNKS = (  # what follows their four letters
    bytes.fromhex("f3acd3118cd100c04f8edb8a"),
    bytes.fromhex("2e91cf11a5d628db04c10000")[1:] + b"\0",
)
_AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # a sample, by encoding


@dataclass(frozen=True, slots=True)
class Announced:
    """The announced length: seconds, or bytes of samples at `start` with so many per second; None if there is none.

    `behind`: bytes that follow the announced ones and are no part of the container, so that they must be samples too.
    `parted`: they are chunks of samples, of which a demuxer reads one only. `no_index`: the file ends in front of what
    says where its packets lie.
    """

    seconds: float | None = None
    start: int = 0
    size: int | None = None
    bytes_a_second: float | None = None
    present: int = 0
    behind: int = 0
    parted: bool = False
    no_index: bool = False

    @property
    def seconds_behind(self) -> float | None:
        """The length of the sound after the announced end; None where that is unknown."""
        return self.behind / self.bytes_a_second if self.bytes_a_second else None

    def missing(self) -> str | None:
        """A description of what is missing from the announced length, None when that is negligible."""
        if self.no_index:
            return "its index is not there"
        if self.size is None or self.present >= self.size:
            return None
        if not self.bytes_a_second:
            short = self.size - self.present > max(MISSING_BYTES, MISSING_PART * self.size)
            return f"{self.present} of {self.size} announced bytes are there" if short else None
        announced, present = self.size / self.bytes_a_second, self.present / self.bytes_a_second
        return shortfall(present, announced)

    def length(self, heard: float) -> float:
        """The announced seconds; where only bytes are announced, judged by those that are there and the seconds heard."""
        if self.seconds is not None:
            return self.seconds
        if self.size is None or not 0 < self.present < self.size:
            return heard
        return heard * self.size / self.present


NOTHING = Announced()


def shortfall(present: float, announced: float) -> str | None:
    """A description of the seconds present of those announced, None when the difference is negligible."""
    if present >= announced - max(MISSING_SECONDS, MISSING_PART * announced):
        return None
    return f"{present:.1f} of {announced:.1f} announced seconds are there"


def announced(file: BinaryIO, container: Container, offset: int, size: int) -> Announced:
    """The length announced by the container that begins at `offset` in a file of `size` bytes."""
    file.seek(offset)
    head = file.read(4096)
    try:
        if container == MP3:
            return Announced(seconds=announced_seconds(head))
        if container == FLAC:
            return Announced(seconds=_flac_seconds(head))
        if container == OGG:
            return Announced(seconds=_ogg_flac_seconds(head))
        if container == AU:
            return _au(head, offset, size)
        if container in (WAV, WAVE64, AIFF, CAF):
            return _chunked(_Chunks(file, container, offset, size, head))
    except (struct.error, OverflowError):  # the header ends in the middle; the demuxer will say so
        return NOTHING
    return NOTHING


def _flac_seconds(head: bytes) -> float | None:
    bits = int.from_bytes(head[18:26], "big")  # rate 20, channels 3, depth 5, samples 36
    rate, samples = bits >> 44, bits & (1 << 36) - 1
    return samples / rate if rate and samples else None


def _ogg_flac_seconds(head: bytes) -> float | None:
    """Announced seconds of FLAC in Ogg; its header lies in the first page, after 9 bytes of its own."""
    packet = head[27 + head[26] :] if len(head) > 27 else b""
    return _flac_seconds(packet[9:]) if packet[:5] == b"\x7fFLAC" and packet[9:13] == b"fLaC" else None


def _au(head: bytes, offset: int, size: int) -> Announced:
    start, announced_bytes, encoding, rate, channels = struct.unpack(">5I", head[4:24])
    bytes_a_second = float(_AU_BYTES.get(encoding, 0) * rate * channels) or None
    present = max(0, size - offset - start)
    # the demuxer reads to the end, whatever is announced
    length = announced_bytes if 0 < announced_bytes < LARGEST else None
    return Announced(None, offset + start, length, bytes_a_second, present)


@dataclass(frozen=True, slots=True)
class _Chunks:
    """The chunks of a RIFF, Wave64, AIFF or CAF file."""

    file: BinaryIO
    container: Container
    offset: int
    size: int
    head: bytes

    @property
    def order(self) -> str:
        """The byte order of the file's numbers, for struct."""
        return ">" if self.head[:4] in (b"RIFX", b"FORM", b"caff") else "<"

    @property
    def first(self) -> int:
        """The position of the first chunk."""
        return self.offset + {WAV: 12, WAVE64: 40, AIFF: 12, CAF: 8}[self.container]

    def walk(self, at: int) -> Iterator[tuple[bytes, int, int]]:
        """Name, position and size of each chunk's body from `at` on, as long as they look like chunks."""
        for _ in range(MAX_CHUNKS):
            if not 0 <= at < self.size:  # where a number of the header leads; no file can be read at any
                return
            self.file.seek(at)
            header = self.file.read(24)
            if (found := self._header(header)) is None:
                return
            name, length, body, size = found
            yield name, at + length, body
            at += size
            if body < 0:
                return

    def _header(self, header: bytes) -> tuple[bytes, int, int, int] | None:
        """Name, bytes before the body, bytes of the body, bytes to the next chunk."""
        if self.container == WAVE64:
            if len(header) < 24:
                return None
            whole = int.from_bytes(header[16:24], "little")
            return header[:4], 24, whole - 24, max(24, whole + 7 & ~7)
        wide = self.container == CAF
        name, length = header[:4], 12 if wide else 8
        if len(header) < length or not all(0x20 <= letter < 0x7F for letter in name):
            return None
        (body,) = struct.unpack(f"{self.order}{'q' if wide else 'I'}", header[4:length])
        return name, length, body, length + body + (0 if wide else body & 1)

    def body(self, at: int, size: int) -> bytes:
        """The first bytes of a chunk's body."""
        self.file.seek(at)
        return self.file.read(max(0, min(size, 64)))


def _chunked(chunks: _Chunks) -> Announced:
    bytes_a_second: float | None = None
    large: int | None = None
    for name, at, size in chunks.walk(chunks.first):
        if name == b"ds64":
            large = int.from_bytes(chunks.body(at, 16)[8:16], "little")
        elif name in (b"fmt ", b"COMM", b"desc"):
            bytes_a_second = _bytes_a_second(name, chunks.body(at, size), chunks.order)
        elif name in (b"data", b"SSND"):
            start = at + (8 if name == b"SSND" else 4 if chunks.container == CAF else 0)
            length = _length(chunks.container, size, large)
            present = max(0, chunks.size - start)
            if length is None:
                # RF64 of a recorder that never came to its end: its demuxer would believe that there is nothing
                unfinished = large is not None and size >= LARGEST
                return Announced(None, start, None, bytes_a_second, present, present if unfinished else 0)
            end = _end(chunks, at, size if large is None else large)
            found = Announced(None, start, max(0, length - (start - at)), bytes_a_second, present)
            if more := sum(part for again, _, part in chunks.walk(end) if again == b"data"):
                return replace(found, behind=more, parted=True)
            no_index = chunks.container == CAF and not bytes_a_second and _lacks_index(chunks, at + size)
            return replace(found, behind=_behind(chunks, end), no_index=no_index)
    return NOTHING


def _lacks_index(chunks: _Chunks, end: int) -> bool:
    """Whether packets of variable size lack all or part of their index table."""
    places = (chunk for start in (chunks.first, end) for chunk in chunks.walk(start))
    table_end = next((at + size for name, at, size in places if name == b"pakt"), None)
    return table_end is None or table_end > chunks.size


def _length(container: Container, size: int, large: int | None) -> int | None:
    """The announced bytes; streaming writers leave none, or the largest number."""
    if container == WAV and large is not None and size >= LARGEST:
        return large if 0 < large < 1 << 62 else None
    if container in (WAVE64, CAF):
        return size if 0 < size < 1 << 62 else None
    return size if 0 < size < LARGEST else None


def _end(chunks: _Chunks, at: int, size: int) -> int:
    """The position of the next chunk after samples of so many bytes at `at`."""
    if chunks.container == WAVE64:
        return at - 24 + (size + 24 + 7 & ~7)
    return at + size + (0 if chunks.container == CAF else size & 1)


def _behind(chunks: _Chunks, end: int) -> int:
    """Bytes after the samples that form no chunks."""
    if end >= chunks.size - 1:
        return 0
    chunks.file.seek(end)
    follows = chunks.file.read(64)
    if follows[:4] == chunks.head[:4]:  # another file of its kind; the samples go on if they are of the same form
        return chunks.size - end if follows[12:36] == chunks.head[12:36] else 0
    if follows[:4] in _CHUNKS_BEHIND or (chunks.container == WAVE64 and follows[4:16] in _WAVE64_CHUNKS):
        return 0
    if chunks.container == WAVE64:
        return chunks.size - end
    reached = max((body + length for _, body, length in chunks.walk(end)), default=end)
    return 0 if chunks.size - 1 <= reached <= chunks.size + 1 else chunks.size - end


def _bytes_a_second(name: bytes, body: bytes, order: str) -> float | None:
    if name == b"fmt ":
        # what the header says of bytes a second is wrong in many files; samples of a fixed size tell it themselves
        tag, channels, rate, _, _, bits = struct.unpack(f"{order}HHIIHH", body[:16])
        if tag == EXTENSIBLE and len(body) >= 26:
            (tag,) = struct.unpack(f"{order}H", body[24:26])
        return float(channels * math.ceil(bits / 8) * rate) or None if tag in PLAIN_SAMPLES else None
    if name == b"COMM":
        channels, _, bits = struct.unpack(">HIH", body[:8])
        rate = _extended(body[8:18])
        return (
            channels * math.ceil(bits / 8) * rate if body[18:22] in (b"", b"NONE", b"sowt", b"fl32", b"fl64") else None
        )
    rate, _, _, packet_bytes, packet_frames = struct.unpack(">d4s3I", body[:24])
    return rate / packet_frames * packet_bytes if packet_frames and packet_bytes and math.isfinite(rate) else None


def _extended(number: bytes) -> float:
    exponent, mantissa = struct.unpack(">HQ", number)
    return math.ldexp(mantissa, (exponent & 0x7FFF) - 16383 - 63)
