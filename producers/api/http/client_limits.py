"""How long the REST shim waits for its clients, and for how many of them at a time. Pure, but for the files that are open."""

import os
import resource
from dataclasses import dataclass

_LEAST_CONNECTIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Limits of connections: `most` in the ordinary way, `spare` more that are told so, and times in seconds.

    A head has its time in all. A body, and an answer that is read, must move at `bytes_per_second` at least; one that has
    not for so long is given up. So a long upload may take as long as it likes, and a trickle may not. What comes of a body
    after its answer is thrown away, up to `unwanted_bytes` and for `unwanted_seconds`, so that the answer is read before the
    connection ends.
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
    """Since when too little has moved."""

    __slots__ = ("_bytes", "since")

    def __init__(self, now: float) -> None:
        self.since = now
        self._bytes = 0

    def moved(self, size: int, now: float, bytes_per_second: float) -> bool:
        """Count bytes; True when they were enough, and time begins anew."""
        self._bytes += size
        if self._bytes < bytes_per_second * (now - self.since):
            return False
        self.since, self._bytes = now, 0
        return True


def patience_for(own_files: int, most: int | None = None) -> ClientLimits:
    """Limits for this process, which may open `own_files` more beside its connections; `most` is the operator's own."""
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
