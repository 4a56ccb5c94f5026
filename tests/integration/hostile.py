"""The server of the shim around an application of a test's own, and clients that keep it waiting."""

import asyncio
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPResponse

import uvicorn
import uvloop
from starlette.types import ASGIApp

from producers.api.http.client_limits import ClientLimits
from producers.api.http.server import config_of, listening

PATIENCE = ClientLimits(
    most=1000,
    idle_seconds=0.3,
    head_seconds=0.5,
    body_seconds=0.5,
    unread_seconds=0.5,
    unwanted_seconds=0.5,
    look_seconds=0.05,
)
WAIT = 90.0  # as long as a busy machine may take
HALVES = {
    "nothing": b"",
    "half a head": b"GET /api/v1/models HTTP/1.1\r\nX-A: ",
    "half a body": b"POST /api/v1/transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    "half a body with a key": b"POST /api/v1/transcribe HTTP/1.1\r\nHost: x\r\nX-API-Key: %(key)s\r\n"
    b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    "half an upload": b"POST /api/v1/transcribe/upload HTTP/1.1\r\nHost: x\r\nX-API-Key: %(key)s\r\nContent-Length: 9000\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
    b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF',
}
"""Beginnings of requests, of which more never comes; `%(key)s` stands for an API key."""


@contextmanager
def served(app: ASGIApp, patience: ClientLimits = PATIENCE) -> Iterator[int]:
    """Serve `app` until the end of the block; the port."""
    servers: list[uvicorn.Server] = []

    async def serve(listener: socket.socket) -> None:
        servers.append(uvicorn.Server(config_of(app, patience)))
        await servers[0].serve(sockets=[listener])

    def run(listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(listener))

    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=run, args=[listener])
        thread.start()
        try:
            yield port
        finally:
            servers[0].should_exit = True
            thread.join(WAIT)


@dataclass(frozen=True)
class SlowClient:
    """A client that sends `first`, then `drip` again and again, and reads only if `reads`."""

    first: bytes = b""
    drip: bytes = b""
    reads: bool = True

    def call(self, port: int) -> socket.socket:
        """Connect and send the first bytes."""
        client = socket.socket()
        if not self.reads:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(WAIT)
        client.connect(("127.0.0.1", port))
        client.sendall(self.first)
        return client


def until_closed(stranger: SlowClient, client: socket.socket) -> bytes:
    """Go on until the server ends the connection; what it said meanwhile."""
    said, deadline = b"", time.monotonic() + WAIT
    ends = select.POLLRDHUP | select.POLLHUP | select.POLLERR
    poll = select.poll()
    poll.register(client, ends | (select.POLLIN if stranger.reads else 0))
    with client, suppress(ConnectionError):
        while time.monotonic() < deadline:
            if stranger.drip:
                client.sendall(stranger.drip)
            events = dict(poll.poll(50)).get(client.fileno(), 0)
            piece = client.recv(65536) if stranger.reads and events else b""
            said += piece
            if events & ends and not piece:
                return said
    assert time.monotonic() < deadline, "it was never closed"
    return said


def next_answer(client: socket.socket) -> bytes:
    """The body of the next answer, read to the end that its head tells: one call of `recv` may return less."""
    answer = HTTPResponse(client)
    answer.begin()
    return answer.read()


def answered(port: int, path: str = "/", *, timeout: float = WAIT) -> bytes:
    """What one well-behaved request is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        said = b""
        while piece := client.recv(65536):
            said += piece
        return said
