"""Pages of an Ogg stream: where those end that hold headers instead of sound."""

import struct
from typing import BinaryIO

PAGE_MARK = b"OggS\0"  # and the version, which is always 0
PAGE_HEADER_BYTES = 27  # without the sizes of its segments
LONGEST_HEADER = PAGE_HEADER_BYTES + 255
MAX_PAGES = 10_000  # of headers; a large picture has hundreds
_HEADER_POSITIONS = (0, 2**64 - 1)  # of headers, and of a page on which no packet ends


def headers_end(file: BinaryIO, start: int) -> int:
    """The position behind the header pages of the stream that begins at `start`; there sound, or damage, begins."""
    at = start
    for _ in range(MAX_PAGES):
        file.seek(at)
        page = file.read(LONGEST_HEADER)
        if len(page) < PAGE_HEADER_BYTES or page[:4] != b"OggS":
            break
        (position,) = struct.unpack("<Q", page[6:14])
        if position not in _HEADER_POSITIONS:
            break
        sizes = page[PAGE_HEADER_BYTES : PAGE_HEADER_BYTES + page[26]]
        at += PAGE_HEADER_BYTES + len(sizes) + sum(sizes)
    return at
