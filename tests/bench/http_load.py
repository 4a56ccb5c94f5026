"""Requests over and over on kept connections: by wrk where it is installed, else by a plain loop over sockets.

The loop takes more of the machine than wrk, so ratios are a little flatter with it.
"""

import re
import selectors
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import psutil

CONNECTIONS = 16
_PER_SECOND = re.compile(r"Requests/sec:\s+([\d.]+)")
_AT_SHARE = r"{}%\s+([\d.]+)(us|ms|s)\b"
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """One request, to be sent again and again."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True)
class Rate:
    """Requests a second, the median of their times in milliseconds, and whether all ended well.

    `cpu_ms` is what the server's process spent on each, `p99_ms` the time that one in a hundred took longer than.
    """

    per_second: float
    median_ms: float
    well: bool
    cpu_ms: float = float("nan")
    p99_ms: float = float("nan")


def missing() -> str | None:
    """What to install for sharper numbers."""
    return None if shutil.which("wrk") else "wrk is not on the PATH: apt-get install wrk; a plain loop is used"


def measure(load: Load, seconds: float, server: psutil.Process) -> Rate:
    """Send for so long to a process."""
    before = sum(server.cpu_times()[:2])
    found = _wrk(load, seconds) if shutil.which("wrk") else _loop(load, seconds)
    return replace(found, cpu_ms=1000 * (sum(server.cpu_times()[:2]) - before) / max(1.0, found.per_second * seconds))


def _wrk(load: Load, seconds: float) -> Rate:
    script = [f"wrk.method = {_lua(load.method)}", f"wrk.body = {_lua(load.body)}"]
    script += [f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in load.headers.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "load.lua")
        path.write_text("\n".join(script))
        options = ["--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds:.0f}s", "--latency"]
        command = ["wrk", *options, "--script", str(path), load.url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if (rate := _PER_SECOND.search(text)) is None:
        raise RuntimeError(f"wrk said:\n{text}")
    well = "Non-2xx" not in text and "Socket errors" not in text
    return Rate(float(rate[1]), _milliseconds(text, 50), well, p99_ms=_milliseconds(text, 99))


def _milliseconds(text: str, share: int) -> float:
    """The time within which a share (per cent) of the requests were answered, as wrk tells it."""
    found = re.search(_AT_SHARE.format(share), text)
    return float(found[1]) * _UNITS[found[2]] if found else float("nan")


def _lua(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _loop(load: Load, seconds: float) -> Rate:
    parts = urlsplit(load.url)
    body = load.body.encode()
    headers = {"host": parts.netloc, "content-length": str(len(body)), **load.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"{load.method} {parts.path or '/'} HTTP/1.1\r\n{head}\r\n".encode() + body
    times: list[float] = []
    well = True
    with selectors.DefaultSelector() as selector:
        begun: dict[int, float] = {}
        for _ in range(CONNECTIONS):
            connection = socket.create_connection((parts.hostname or "", parts.port or 80))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ, bytearray())
            begun[connection.fileno()] = time.perf_counter()
            connection.sendall(request)
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            for key, _ in selector.select(1):
                connection = cast(socket.socket, key.fileobj)
                key.data.extend(connection.recv(65536))
                if _is_whole(key.data):
                    well = well and key.data[9:10] == b"2"
                    times.append(now - begun[key.fd])
                    key.data.clear()
                    begun[key.fd] = time.perf_counter()
                    connection.sendall(request)
        for key in list(selector.get_map().values()):
            cast(socket.socket, key.fileobj).close()
    in_order = sorted(times) or [float("nan")]
    median, p99 = (1000 * in_order[len(in_order) * share // 100] for share in (50, 99))
    return Rate(len(times) / seconds, median, well, p99_ms=p99)


def _is_whole(data: bytearray) -> bool:
    head, end, body = bytes(data).partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    return bool(end) and len(body) >= int(length[1] if length else 0)
