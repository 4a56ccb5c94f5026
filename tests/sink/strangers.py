"""Servers that behave as badly as strangers may: each answers every connection as its script says."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import trustme

from schemas.settings.outbound import OutboundSettings


@dataclass
class Visit:
    """One connection: the socket, the head and body of the request, and the end of the test to wait for."""

    connection: socket.socket
    head: bytes
    body: bytes
    stopped: threading.Event

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.connection.sendall(part)

    def wait(self) -> None:
        """Say nothing until the test is over."""
        self.stopped.wait()

    def drip(self, byte: bytes) -> None:
        """A byte now and then until the test is over or the other side is gone."""
        while not self.stopped.wait(0.02):
            self.connection.sendall(byte)

    def flood(self, data: bytes) -> None:
        """The same bytes again and again until the other side is gone."""
        while not self.stopped.is_set():
            self.connection.sendall(data)

    def reset(self) -> None:
        """End the connection with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.connection.close()

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return None


Script = Callable[[Visit], None]

NAME = "recordings.example"  # a name that no system resolver knows
LOOPBACK = OutboundSettings(allowed_networks=("127.0.0.1/32",))
CLOSED = OutboundSettings(allowed_networks=())
LONG, SHORT = 30.0, 0.4
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HERE = ["127.0.0.1"]


@dataclass
class StrangersServer:
    """A running server: where it listens, how many connected, and every request that was read."""

    host: str
    port: int
    visits: list[Visit] = field(default_factory=list)
    connections: int = 0
    server_names: list[str | None] = field(default_factory=list)


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Script:
    """A well-behaved answer; header names are given with _ for -."""

    def script(visit: Visit) -> None:
        fields = {"content_length": str(len(body)), **headers}
        lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
        visit.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return script


@contextmanager
def stranger(
    script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0, shared: bool = False
) -> Iterator[StrangersServer]:
    """Run a server in threads until the block ends; `shared` with one that listens on the port of every address."""
    stopped = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self._talk()

        def _talk(self) -> None:
            connection: Any = self.request
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                head, body = _request(connection)
                if head:
                    visit = Visit(connection, head, body, stopped)
                    state.visits.append(visit)
                    script(visit)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        allow_reuse_port = shared

        def process_request(self, request: Any, client_address: Any) -> None:
            state.connections += 1
            super().process_request(request, client_address)

        daemon_threads = True

    with Server((host, port), Handler) as server:
        state = StrangersServer(host, server.server_address[1])
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: state.server_names.append(name)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            stopped.set()
            server.shutdown()
            thread.join()


def _request(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b"", b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        body += connection.recv(65536)
    return head, body


class Names:
    """A name service that answers from a script, the last answer for ever, and counts."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def url_of(
    server: StrangersServer, path: str = "/a.mp3?token=kanari", *, scheme: str = "http", host: str = NAME
) -> str:
    return f"{scheme}://{host}:{server.port}{path}"
