"""Record batches as bytes: as clients make them, and broken on purpose with a checksum that holds."""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cramjam
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c, encode_varint

HEAD, CRC, COUNTED, ATTRIBUTES, LAST_DELTA, COUNT = 61, 17, 21, 21, 23, 57
Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True)
class New:
    """A record that is to be written."""

    value: bytes | None = b"value"
    key: bytes | None = b"key"
    headers: Headers = ()


def batch(*records: New, base: int = 0, attributes: int = 0, producer: int = -1) -> bytes:
    """A batch without compression."""
    builder = _DefaultRecordBatchBuilderPy(2, 0, 0, producer, 0, 0, 1 << 30)
    for offset, record in enumerate(records):
        builder.append(offset, 1, record.key, record.value, list(record.headers))
    return sealed(builder.build(), base=base, attributes=attributes)


def sealed(data: bytes | bytearray, *, base: int | None = None, attributes: int = 0) -> bytes:
    """The bytes of one batch with its length, offset and checksum as they must be."""
    made = bytearray(data)
    struct.pack_into(">i", made, 8, len(made) - 12)
    if base is not None:
        struct.pack_into(">q", made, 0, base)
    made[ATTRIBUTES + 1] |= attributes
    struct.pack_into(">I", made, CRC, calc_crc32c(bytes(made[COUNTED:])))
    return bytes(made)


def compressed(plain: bytes, codec: int, body: bytes) -> bytes:
    """The batch with `body` in place of its records, said to be of `codec`."""
    return sealed(plain[:HEAD] + body, attributes=codec)


def gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return packer.compress(data) + packer.flush()


def gzip_members(data: bytes) -> bytes:
    return gzip(data[: len(data) // 2]) + gzip(data[len(data) // 2 :])


def snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def xerial(data: bytes) -> bytes:
    """As Java writes it, in blocks; one of more is empty."""
    blocks = [snappy(data[at : at + 1000]) for at in range(0, len(data), 1000)]
    return b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1) + b"".join(struct.pack(">i", len(b)) + b for b in blocks)


def lz4(data: bytes) -> bytes:
    """One frame of several blocks of 64 KB that do not refer to each other."""
    packer = cramjam.lz4.Compressor(level=1, content_checksum=True, block_linked=False)
    packer.compress(data)
    return bytes(packer.finish())


def lz4_linked(data: bytes) -> bytes:
    return bytes(cramjam.lz4.compress(data))


def zstd(data: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(data))


def zstd_frames(data: bytes) -> bytes:
    return zstd(data[:10]) + zstd(data[10:])


CODECS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (0, bytes),
    "gzip": (1, gzip),
    "gzip members": (1, gzip_members),
    "snappy": (2, snappy),
    "snappy of Java": (2, xerial),
    "lz4": (3, lz4),
    "lz4 linked": (3, lz4_linked),
    "zstd": (4, zstd),
    "zstd frames": (4, zstd_frames),
}


def varint(value: int) -> bytes:
    out = bytearray()
    encode_varint(value, out.append)
    return bytes(out)
