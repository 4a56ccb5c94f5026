"""The answer that should bring a recording: whether it does, how fast it comes, and where it goes."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpcore

from schemas.errors import Permanent, SourceFailed
from sink.http.url import CheckedUrl
from sink.objects.disk import reserve

MIN_BYTES_PER_SECOND = 10_000  # speech at 80 kbit/s as it is spoken; a slower source holds a worker for nothing
PACE_SECONDS = 30.0  # the time over which that is averaged, and the time at first in which it is not asked
_MISSING = frozenset({404, 410})
_LATER = frozenset({408, 425, 429})


def check_answer(status: int, headers: Mapping[str, str], target: CheckedUrl, max_bytes: int) -> None:
    """Whether an answer brings a recording; raises Permanent or SourceFailed when it brings none."""
    if status in _MISSING:
        raise Permanent("source_not_found", f"{target.origin} answered {status}")
    if status in _LATER or status >= 500:
        raise SourceFailed(f"{target.origin} answered {status}")
    if status != 200:
        raise Permanent("source_unreachable", f"{target.origin} answered {status}")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Permanent("source_unreachable", f"{target.origin} sends the file compressed although asked not to")
    if (length := announced(headers)) > max_bytes:
        raise Permanent("media_too_large", f"{length} bytes, at most {max_bytes}")


def announced(headers: Mapping[str, str]) -> int:
    """Bytes that a body is said to have, 0 when nothing is said."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


class MinimumSpeed:
    """Whether a body comes fast enough, told in seconds of any clock."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._size: int | None = None

    def check(self, size: int, now: float) -> None:
        """`size` bytes are there; raises Permanent(source_unreachable) when too few came in a while."""
        passed = now - self._since
        if passed < PACE_SECONDS:
            return
        if self._size is not None and size - self._size < MIN_BYTES_PER_SECOND * passed:
            raise Permanent("source_unreachable", f"too slow: {size - self._size} bytes in {passed:.0f} s")
        self._since, self._size = now, size


async def save(response: httpcore.Response, path: Path, max_bytes: int, room: int) -> int:
    """Write a body to `path`, reserving `room` bytes first; its size. Raises as `check_answer`, and OSError."""
    size, now = 0, asyncio.get_running_loop().time
    pace = MinimumSpeed(now())
    with path.open("wb") as file:
        reserve(file, room)
        async for chunk in response.aiter_stream():
            size += len(chunk)
            if size > max_bytes:
                raise Permanent("media_too_large", f"more than {max_bytes} bytes")
            file.write(chunk)
            pace.check(size, now())
        file.truncate()  # chunked bodies may announce one length and have another
    return size
