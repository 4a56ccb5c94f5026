"""Decompression of record batches: Kafka's five codecs as all its clients write them, never beyond a size limit."""

import struct
import zlib
from collections.abc import Callable, Iterator
from enum import IntEnum

import cramjam

# clients limit the bytes of a batch before they compress it, nearly all at 1 MB
MOST_BYTES = 32 * 1024 * 1024
SMALLEST = 64 * 1024  # bytes of the first try of a codec that does not tell the size
GROWTH = 4
XERIAL = b"\x82SNAPPY\x00"  # how Java frames snappy: version and compatibility follow, then blocks with their lengths
_XERIAL_HEAD = 16
_LENGTH = struct.Struct(">i")
_NO_ROOM = "failed to write whole buffer"  # cramjam's words for an output that is too small

Into = Callable[[bytes, bytearray], int]


class Codec(IntEnum):
    """Compression codecs of batches, by the number in their attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class Undecompressible(ValueError):
    """The bytes are not valid output of the codec, or would exceed the limit."""


def decompressed(codec: int, data: bytes, most: int = MOST_BYTES) -> bytes:
    """The decompressed `data`; raises Undecompressible with the reason; takes about `most` bytes of memory at most."""
    try:
        match codec:
            case Codec.NONE:
                return data
            case Codec.GZIP:
                return _gzip(data, most)
            case Codec.SNAPPY:
                return _snappy(data, most)
            case Codec.LZ4:
                return _grown(cramjam.lz4.decompress_into, data, most)
            case Codec.ZSTD:
                return _grown(cramjam.zstd.decompress_into, data, most)
    except (cramjam.DecompressionError, zlib.error, struct.error) as error:
        raise Undecompressible(f"not readable as {Codec(codec).name.lower()}: {error}") from error
    raise Undecompressible(f"unknown compression codec {codec}")


def _too_large(most: int) -> Undecompressible:
    return Undecompressible(f"more than {most} bytes once decompressed")


def _gzip(data: bytes, most: int) -> bytes:
    """Decompress gzip member by member, as Java does."""
    found = bytearray()
    while data:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        found += member.decompress(data, most - len(found) + 1)
        if len(found) > most:
            raise _too_large(most)
        if not member.eof:
            raise Undecompressible("the gzip stream is cut off")
        data = member.unused_data
    return bytes(found)


def _snappy(data: bytes, most: int) -> bytes:
    if not data.startswith(XERIAL):
        return _snappy_block(data, most)
    found = bytearray()
    for block in _xerial_blocks(data):
        found += _snappy_block(block, most - len(found))
    return bytes(found)


def _xerial_blocks(data: bytes) -> Iterator[bytes]:
    position = _XERIAL_HEAD
    while position < len(data):
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        if not 0 < length <= len(data) - position:
            raise Undecompressible(f"a snappy block of {length} bytes where {len(data) - position} are left")
        yield data[position : position + length]
        position += length


def _snappy_block(data: bytes, most: int) -> bytes:
    # the size stands in front, and memory is taken by what it says
    if cramjam.snappy.decompress_raw_len(data) > most:
        raise _too_large(most)
    return bytes(cramjam.snappy.decompress_raw(data))


def _grown(into: Into, data: bytes, most: int) -> bytes:
    """The output of a codec without a known output size, tried with growing buffers."""
    size = min(most, max(SMALLEST, GROWTH * len(data)))
    while True:
        room = bytearray(size)
        try:
            return bytes(memoryview(room)[: into(data, room)])
        except cramjam.DecompressionError as error:
            if _NO_ROOM not in str(error):
                raise
            if size >= most:
                raise _too_large(most) from error
            size = min(most, size * GROWTH)
