"""Limits of the REST shim for slow clients and for the number of connections. Pure, but counts open files."""

import os
import resource
from dataclasses import dataclass

_LEAST_CONNECTIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Limits of connections: `most` normal ones, `spare` more that get an error answer, and times in seconds.

    The time for a head is fixed. A body, and an answer that is being read, must move at `bytes_per_second` at least,
    and may fall behind for a limited time: a long upload may take as long as it needs, a trickle may not. The rest of a
    body after its answer is discarded, up to `unwanted_bytes` and for `unwanted_seconds`, so that the client can read
    the answer before the connection ends.
    """

    most: int
    spare: int = 16
    idle_seconds: float = 5.0
    head_seconds: float = 10.0
    body_seconds: float = 20.0
    unread_seconds: float = 60.0
    unwanted_seconds: float = 2.0
    unwanted_bytes: int = 512 * 1024
    bytes_per_second: float = 200.0
    look_seconds: float = 1.0


class MinimumRate:
    """The time since which a client has been below the minimum transfer rate."""

    __slots__ = ("_bytes", "since")

    def __init__(self, now: float) -> None:
        self.since = now
        self._bytes = 0

    def moved(self, size: int, now: float, bytes_per_second: float) -> bool:
        """Count bytes; True when they reach the minimum rate, and then the measurement starts again."""
        self._bytes += size
        if self._bytes < bytes_per_second * (now - self.since):
            return False
        self.since, self._bytes = now, 0
        return True


def patience_for(own_files: int, most: int | None = None) -> ClientLimits:
    """Limits for this process, which may open `own_files` besides connections; `most` is the operator's own limit."""
    allowed = _open_files_allowed()
    # for health, and for those that come at once, which are taken in before we can look at the first of them
    spare = max(_LEAST_CONNECTIONS, allowed // 4)
    room = allowed - _open_files() - own_files - spare
    return ClientLimits(most=max(_LEAST_CONNECTIONS, min(most or room, room)), spare=spare)


def _open_files_allowed() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1_000_000 if soft == resource.RLIM_INFINITY else soft


def _open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - names are all that is wanted
