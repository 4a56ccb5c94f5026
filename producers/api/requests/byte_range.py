"""Range and If-Range of a request for a file (RFC 9110, section 14): which of its bytes are wanted. Pure."""

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=\s*(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `first` to `last`, both included; `open_ended`: whatever follows is welcome too."""

    first: int
    last: int
    open_ended: bool = False

    @property
    def size(self) -> int:
        """The number of its bytes."""
        return self.last - self.first + 1

    def at_most(self, size: int) -> "ByteRange":
        """Its beginning, where the end was left open: players ask for the rest when they come to it."""
        return ByteRange(self.first, min(self.last, self.first + size - 1)) if self.open_ended else self


class Unsatisfiable(Exception):
    """Error: no byte of the file lies in the range."""


def wanted_range(header: str | None, if_range: str | None, etag: str, size: int) -> ByteRange | None:
    """The range that is asked for, None when the whole file is to be sent; raises Unsatisfiable.

    Whatever is no single range of bytes may be ignored, and is; so is a range of a file that has changed.
    """
    found = _ONE_RANGE.fullmatch(header) if header is not None else None
    if found is None or (if_range is not None and if_range.strip() != etag):
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        wanted = ByteRange(max(0, size - int(suffix)), size - 1)
    else:
        wanted = ByteRange(int(first), min(size - 1, int(last)) if last else size - 1, open_ended=last is None)
    if last is not None and int(last) < int(first):
        return None  # not valid, which is to be ignored
    if wanted.first >= size or wanted.size <= 0:
        raise Unsatisfiable
    return wanted
