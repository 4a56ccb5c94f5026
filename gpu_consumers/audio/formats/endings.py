"""Ends of files that are no sound: tags and padding behind the frames of a stream, Ogg pages without a body."""

from collections.abc import Callable
from typing import BinaryIO

from gpu_consumers.audio.formats.ogg import PAGE_HEADER_BYTES, PAGE_MARK

MOST_ENDINGS = 100  # tags, runs of padding, or pages
PADDING = (b"\0", b"\xff")  # of files that were allocated ahead, and of erased flash memory
_BLOCK_BYTES = 65_536
_ID3V1_BYTES = 128
_APE_BYTES = 32  # of a footer, and of a header where a flag says that there is one


def ending_bytes(file: BinaryIO, size: int) -> int:
    """Bytes of tags (ID3v1, APE, Lyrics3) and padding at the end of a file of frames without a container."""
    return _stripped(size, lambda end: _tag_before(file, end) or _padding_before(file, end))


def empty_page_bytes(file: BinaryIO, stop: int) -> int:
    """Bytes of the Ogg pages without a body that end at `stop`, as encoders write them to say that a stream is over."""
    return _stripped(stop, lambda end: _empty_page_before(file, end))


def _stripped(size: int, before: Callable[[int], int]) -> int:
    end = size
    for _ in range(MOST_ENDINGS):
        if not (found := min(end, before(end))):
            break
        end -= found
    return size - end


def _tail(file: BinaryIO, end: int, count: int) -> bytes:
    file.seek(max(0, end - count))
    return file.read(min(end, count))


def _tag_before(file: BinaryIO, end: int) -> int:
    tail = _tail(file, end, _ID3V1_BYTES)
    if len(tail) == _ID3V1_BYTES and tail.startswith(b"TAG"):
        return _ID3V1_BYTES
    footer = tail[-_APE_BYTES:]
    if footer.startswith(b"APETAGEX"):
        has_header = bool(footer[23] & 0x80)
        return int.from_bytes(footer[12:16], "little") + (_APE_BYTES if has_header else 0)
    # https://id3.org/Lyrics3v2: the size, which counts neither itself nor what follows it, stands before the closing word
    if tail.endswith(b"LYRICS200") and tail[-15:-9].isdigit():
        return int(tail[-15:-9]) + 15
    return 0


def _padding_before(file: BinaryIO, end: int) -> int:
    count = 0
    byte = _tail(file, end, 1)
    while byte in PADDING and count < end:
        block = _tail(file, end - count, _BLOCK_BYTES)
        run = len(block) - len(block.rstrip(byte))
        count += run
        if run < len(block):
            break
    return count


def _empty_page_before(file: BinaryIO, end: int) -> int:
    tail = _tail(file, end, PAGE_HEADER_BYTES + 255)
    at = tail.rfind(PAGE_MARK)
    page = tail[at:] if at >= 0 else b""
    whole = len(page) >= PAGE_HEADER_BYTES and len(page) == PAGE_HEADER_BYTES + page[26]
    return len(page) if whole and not any(page[PAGE_HEADER_BYTES:]) else 0
