"""Free ports of the loopback interface."""

import os
import random
import socket
from collections import deque
from collections.abc import Iterable, Mapping

from deploy.local.errors import PortTaken

HOST = "127.0.0.1"
RANGE = range(20_000, 32_000)  # below the ports that outgoing connections take, so that none is lost in between

_MOST_HELD = 64
_held: deque[int] = deque()  # file descriptors, open until the process ends


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def is_open(port: int) -> bool:
    """Whether something listens on this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def choose(names: Iterable[str], asked: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """A port for each name: the requested one, else that of the last run, else any free one; raises PortTaken."""
    chosen: dict[str, int] = {}
    for name in names:
        if name in asked and not is_free(asked[name]):
            raise PortTaken(
                f"port {asked[name]} on {HOST}, asked for by --{name.replace('_', '-')}-port, is taken: "
                "stop what listens there, name another, or leave the option away"
            )
        chosen[name] = asked.get(name) or _remembered_or_free(before.get(name), chosen.values())
    return chosen


def _remembered_or_free(before: int | None, used: Iterable[int]) -> int:
    if before is not None and is_free(before):
        return before
    for port in random.sample(RANGE, len(RANGE)):
        if port not in used and _hold(port):
            return port
    raise PortTaken(f"no free port between {RANGE.start} and {RANGE.stop}")


def _hold(port: int) -> bool:
    """Reserve a port until its server is up; False when it is in use or reserved already."""
    holder = socket.socket()
    try:
        holder.bind((HOST, port))
    except OSError:
        holder.close()
        return False
    # it never listens, so from now on a server that says the same, as all of them do, may listen beside it
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _held.append(holder.detach())
    if len(_held) > _MOST_HELD:
        os.close(_held.popleft())
    return True
