"""A small HTTP proxy that makes tunnels, as smokescreen and squid do: real connections, in threads."""

import socket
import threading
from contextlib import suppress

from tests.sink.strangers import Script, Visit, answer


def tunnels(*, unreachable: tuple[str, ...] = ()) -> Script:
    """Connect to whatever is asked for; `unreachable` addresses are answered with 502."""

    def script(visit: Visit) -> None:
        method, authority, _ = visit.head.decode().split(maxsplit=2)
        host, _, port = authority.rpartition(":")
        if method != "CONNECT":
            answer(405)(visit)
        elif host in unreachable:
            answer(502)(visit)
        else:
            _connect(visit, host.strip("[]"), int(port))

    return script


def _connect(visit: Visit, host: str, port: int) -> None:
    try:
        upstream = socket.create_connection((host, port))
    except OSError:
        answer(502)(visit)
        return
    with upstream:
        visit.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_pump, args=(upstream, visit.connection))
        back.start()
        _pump(visit.connection, upstream)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
