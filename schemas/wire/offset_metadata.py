"""Offset metadata of the GPU groups: a text bitmap of the finished offsets above the committed one. Pure.

After the bitmap come the marks of begun records and the id of the topic, which writers of the bitmap alone preserve.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

PREFIX = "sr1:"
NEXT = ";"  # between the bitmap, the marks and the topic
MAX_METADATA = 4095  # characters a broker accepts by default, less the NUL that the client library appends
MAX_BITMAP = 65_536  # bytes after decompression: half a million offsets, far more than any look-ahead

_MARK = re.compile(r"(\d{1,9})([nbal])(\d)\d?")


@dataclass(frozen=True, slots=True)
class BegunRecord:
    """A record that was begun and has no outcome yet; `deaths` counts processes that died while it ran exclusively."""

    deaths: int
    suspect: bool
    """It may have ended a process, and its owner of now has not begun it."""


def bitmap_of(base: int, done: Iterable[int]) -> str:
    """The bitmap of `done`, all at or above `base`; empty for none."""
    bits = 0
    for offset in done:
        bits |= 1 << (offset - base)
    return base64.b64encode(_packed(bits)).decode() if bits else ""


def done_of(base: int, bitmap: str) -> frozenset[int]:
    """The offsets in a bitmap; empty for text that `bitmap_of` did not write, never an error."""
    if not bitmap:
        return frozenset()
    try:
        raw = _unpack(base64.b64decode(bitmap.encode("ascii"), validate=True))
    except (binascii.Error, zlib.error, ValueError):
        return frozenset()
    return frozenset(base + 8 * i + bit for i, byte in enumerate(raw) if byte for bit in range(8) if byte >> bit & 1)


def joined(bitmap: str, marks: str, topic_id: str) -> str:
    """Metadata joined of its three parts; empty text if there are none."""
    text = NEXT.join((bitmap, marks, topic_id)).rstrip(NEXT)
    return PREFIX + text if text else ""


def parts_of(metadata: str | None) -> tuple[str, str, str]:
    """Bitmap, marks and topic in metadata; empty texts for metadata of other writers."""
    if not metadata or not metadata.startswith(PREFIX):
        return "", "", ""
    bitmap, marks, topic_id, *_ = [*metadata.removeprefix(PREFIX).split(NEXT), "", ""]
    return bitmap, marks, topic_id


def begun_of(base: int, metadata: str | None) -> dict[int, BegunRecord]:
    """The marks of begun records by offset, for outside observers; their owner is gpu_consumers' crash_suspects."""
    listed = parts_of(metadata)[1][1:].partition("@")[0]
    found = [_MARK.fullmatch(mark) for mark in listed.split(",")]
    return {base + int(m[1]): BegunRecord(int(m[3]), m[2] == "n") for m in found if m is not None}


def with_done(base: int, metadata: str | None, offset: int) -> str:
    """The metadata with one more finished offset, at or above `base`; of any length."""
    bitmap, marks, topic_id = parts_of(metadata)
    return joined(bitmap_of(base, {*done_of(base, bitmap), offset}), marks, topic_id)


def covers(base: int, metadata: str | None, offset: int) -> bool:
    """Whether `offset` is finished according to a committed position."""
    return offset < base or offset in done_of(base, parts_of(metadata)[0])


def _packed(bits: int) -> bytes:
    raw = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    packed = zlib.compress(raw, 9)
    return b"z" + packed if len(packed) < len(raw) else b"r" + raw


def _unpack(body: bytes) -> bytes:
    kind, content = body[:1], body[1:]
    if kind == b"z":
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(content, MAX_BITMAP)
        if not unpacker.eof:
            raise ValueError("longer than any bitmap of ours, or cut off")
    elif kind != b"r":
        raise ValueError("neither raw nor compressed")
    if len(content) > MAX_BITMAP:
        raise ValueError("longer than any bitmap of ours")
    return content
