"""Free ports of the loopback interface."""

import random
import socket
from collections.abc import Iterable, Mapping

from deploy.local.errors import PortTaken

HOST = "127.0.0.1"
RANGE = range(20_000, 32_000)  # below the ports that outgoing connections take, so that none is lost in between


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
    """A port for each name: the one asked for, else that of the last run, else any; raises PortTaken."""
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
        if port not in used and is_free(port):
            return port
    raise PortTaken(f"no free port between {RANGE.start} and {RANGE.stop}")
