"""A server whose answers are given, as bytes: for all that the real one never says."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PROBLEM = b'{"title": "Away", "detail": "Try again.", "code": "unavailable", "kind": "internal", "request_id": "r1"}'


@dataclass(slots=True)
class ScriptedServer:
    """Answers each request with the next bytes, the last one again and again, and ends the connection."""

    url: str
    requests: list[bytes] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The first line of each request."""
        return [request.split(b"\r\n", 1)[0].decode() for request in self.requests]

    def headers(self, name: str) -> list[str | None]:
        """A header of each request."""
        return [_header(request, name) for request in self.requests]


def answer(status: int, body: bytes = b"", /, *, length: int | None = None, **headers: str) -> bytes:
    """An answer as bytes; `length`: what it claims to have."""
    lines = [f"HTTP/1.1 {status} x", f"content-length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


def away(status: int = 503, retry_after: str = "0") -> bytes:
    return answer(status, PROBLEM, content_type="application/problem+json", retry_after=retry_after)


@contextmanager
def scripted(*answers: bytes) -> Iterator[ScriptedServer]:
    """Serve until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = ScriptedServer(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=_serve, args=(listener, server, answers), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(90)


def _serve(listener: socket.socket, server: ScriptedServer, answers: tuple[bytes, ...]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, suppress(OSError):
            connection.settimeout(90)
            server.requests.append(_request(connection))
            connection.sendall(answers[min(len(server.requests), len(answers)) - 1])


def _request(connection: socket.socket) -> bytes:
    """A whole request."""
    read = b""
    while b"\r\n\r\n" not in read or len(read) < _size(read):
        piece = connection.recv(65536)
        if not piece:
            break
        read += piece
    return read


def _size(read: bytes) -> int:
    head = read.index(b"\r\n\r\n") + 4
    return head + int(_header(read, "content-length") or 0)


def _header(request: bytes, name: str) -> str | None:
    head = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    found = [line.partition(":")[2].strip() for line in head if line.lower().startswith(f"{name}:")]
    return found[0] if found else None
