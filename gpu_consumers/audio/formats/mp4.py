"""Boxes of an MP4: whether the file ends before its index, without which nothing in it can be found."""

import struct
from typing import BinaryIO

INDEX = b"moov"
MAX_BOXES = 10_000  # in front of the index; a recorder writes a handful
_HEADER, _LARGE = 8, 16  # bytes
_PRINTABLE = range(0x20, 0x7F)


def ends_before_index(file: BinaryIO, offset: int, size: int) -> bool:
    """Whether the boxes from `offset` lead to the end of a file of `size` bytes, and none of them is a whole index."""
    at = offset
    for _ in range(MAX_BOXES):
        file.seek(at)
        header = file.read(_LARGE)
        if len(header) < _HEADER:
            return True
        kind = header[4:_HEADER]
        length = _length(header, size - at)
        if not all(byte in _PRINTABLE for byte in kind) or length < _HEADER:
            return False  # no box: the file is damaged, however much of it is there
        if kind == INDEX and at + length <= size:
            return False
        at += length
        if at >= size:
            return True
    return False


def _length(header: bytes, rest: int) -> int:
    """The length of a box of which `rest` bytes can be there; 0 announces that it goes on to the end."""
    (length,) = struct.unpack(">I", header[:4])
    if length == 1 and len(header) == _LARGE:
        return int(struct.unpack(">Q", header[_HEADER:])[0])
    return int(length) or rest
