"""A network of its own, in which every address is this machine: who is called there, and with how many bytes, is seen."""

import selectors
import shutil
import socket
import struct
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from deploy.gates import NAMESPACES

_ETH_P_ALL = 3
_TCP, _UDP = 6, 17
_SYN, _SYN_ACK = 0x02, 0x12
_SO_RCVBUFFORCE = 33
_PACKET_STATISTICS = 6
_SOL_PACKET = 263
BUFFER_BYTES = 64 * 1024 * 1024
NAME_PORT = 53
_TRIAL = "ip link set lo up && ip route add local 0.0.0.0/0 dev lo && mount --bind /dev/null /etc/resolv.conf"


def entering() -> tuple[str, ...] | None:
    """What must stand before a command to run it in a network of its own; None where that cannot be."""
    if not all(shutil.which(program) for program in ("unshare", "ip", "mount")):
        return None
    for attempt in NAMESPACES:
        tried = subprocess.run([*attempt, "sh", "-c", _TRIAL], capture_output=True, check=False)
        if tried.returncode == 0:
            return attempt
    return None


def settle_in(folder: Path, name_server: str) -> None:
    """Called inside: every address leads back here, and names are asked of `name_server`."""
    for command in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
    ):
        subprocess.run(command.split(), check=True)
    files = {
        "resolv.conf": f"nameserver {name_server}\nsearch svc.cluster.local\noptions timeout:30 attempts:2\n",
        "nsswitch.conf": "hosts: files dns\n",
    }
    for name, text in files.items():
        if Path("/etc", name).exists():
            (folder / name).write_text(text)
            subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)


@dataclass
class Calls:
    """Connections that were taken and bytes that were read, by the address and port that was called."""

    connections: Counter[tuple[str, int]] = field(default_factory=Counter)
    bytes: int = 0
    nobody_waits: threading.Event = field(default_factory=threading.Event)

    def settle(self) -> None:
        """Return when all who called so far, also those that have given up, were taken."""
        self.nobody_waits.clear()
        self.nobody_waits.wait()

    def clear(self) -> None:
        """Forget everything."""
        self.settle()
        self.connections.clear()
        self.bytes = 0


@contextmanager
def canaries(ports: tuple[int, ...]) -> Iterator[Calls]:
    """Servers on some ports of every address that nobody else listens on; they read and answer nonsense."""
    calls, stopped = Calls(), threading.Event()
    listeners = [_listener(family, port) for port in ports for family in (socket.AF_INET, socket.AF_INET6)]
    thread = threading.Thread(target=_sing, args=(listeners, calls, stopped))
    thread.start()
    try:
        yield calls
    finally:
        stopped.set()
        thread.join()
        for listener in listeners:
            listener.close()


def _listener(family: socket.AddressFamily, port: int) -> socket.socket:
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # the more exact address wins
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(("", port))
    listener.listen(128)
    return listener


def _sing(listeners: list[socket.socket], calls: Calls, stopped: threading.Event) -> None:
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            selector.register(listener, selectors.EVENT_READ)
        while not stopped.is_set():
            ready = selector.select(0.05)
            if not ready:
                calls.nobody_waits.set()
            for key, _ in ready:
                connection, _ = key.fileobj.accept()  # type: ignore[union-attr]
                with connection, suppress(OSError):
                    address, port = connection.getsockname()[:2]
                    calls.connections[str(address), port] += 1
                    connection.settimeout(0.5)
                    calls.bytes += len(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nsecrets")


class PacketWatch:
    """Every packet on the loopback interface: which addresses somebody begins to talk to."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        with suppress(PermissionError):  # beyond the system's limit, which root alone may do
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)
        self._socket.bind(("lo", _ETH_P_ALL))
        self._socket.settimeout(0.2)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.begun: Counter[tuple[str, str, int]] = Counter()
        self.packets = 0
        self.missed = 0

    def __enter__(self) -> "PacketWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        _, self.missed = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                data, (_, _, direction, *_) = self._socket.recvfrom(256)
            except TimeoutError:
                if self._stopped.is_set():
                    return
                continue
            if direction != socket.PACKET_OUTGOING:
                self.packets += 1
                if (start := beginning(data)) is not None:
                    self.begun[start] += 1


def beginning(packet: bytes) -> tuple[str, str, int] | None:
    """Protocol, address and port that a packet begins to talk to; None in the middle of a connection and for answers to names."""
    if packet[0] >> 4 == 4:
        protocol, target, rest = packet[9], packet[16:20], packet[(packet[0] & 15) * 4 :]
    else:
        protocol, target, rest = packet[6], packet[24:40], packet[40:]
    address = str(ip_address(target))
    if protocol == _TCP:
        return ("tcp", address, int.from_bytes(rest[2:4])) if rest[13] & _SYN_ACK == _SYN else None
    if protocol == _UDP:
        return None if int.from_bytes(rest[:2]) == NAME_PORT else ("udp", address, int.from_bytes(rest[2:4]))
    return str(protocol), address, 0


def active_opens() -> int:
    """How many connections this network's kernel was asked to open, whoever asked."""
    lines = Path("/proc/net/snmp").read_text().splitlines()
    names, values = [line.split() for line in lines if line.startswith("Tcp:")]
    return int(dict(zip(names, values, strict=True))["ActiveOpens"])
