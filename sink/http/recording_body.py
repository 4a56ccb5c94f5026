"""The response that carries a recording: checked, timed, and written to a file."""

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
    """Check that a response carries a recording; raises Permanent or SourceFailed otherwise."""
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
    """The announced size of a body in bytes, 0 when none is announced."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


class MinimumSpeed:
    """Enforces a minimum speed of a body; times in seconds of any clock."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._size: int | None = None

    def check(self, size: int, now: float) -> None:
        """Check the speed at `size` received bytes; raises Permanent(source_unreachable) when it is too slow."""
        passed = now - self._since
        if passed < PACE_SECONDS:
            return
        if self._size is not None and size - self._size < MIN_BYTES_PER_SECOND * passed:
            raise Permanent("source_unreachable", f"too slow: {size - self._size} bytes in {passed:.0f} s")
        self._since, self._size = now, size


async def save(response: httpcore.Response, path: Path, max_bytes: int, room: int) -> int:
    """Write a body to `path` after reserving `room` bytes; returns its size. Raises like `check_answer`, or OSError."""
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
