"""A webhook receiver on a loopback port: verifies every call with the `standardwebhooks` package and answers by plan."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook


@dataclass(frozen=True)
class Call:
    """One request: its path, the three headers, the body, and whether its signature holds."""

    path: str
    headers: dict[str, str]
    body: bytes
    verified: bool

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def payload(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


Answer = tuple[int, dict[str, str]]
Plan = Callable[[int], Answer]
"""What the n-th call (0 at first) is answered."""


@dataclass
class Receiver:
    """Listens until it is closed; `secret` is asked for at every call, `hang` holds answers back until the end."""

    plan: Plan = lambda _: (200, {})
    secret: Callable[[], str | None] = lambda: None
    hang: bool = False
    calls: list[Call] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        secret = self.secret()
        self.calls.append(Call(path, headers, body, secret is not None and verified(secret, headers, body)))
        answer = self.plan(len(self.calls) - 1)
        if self.hang:
            self.stopped.wait(60)
        return answer


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the reference implementation accepts the call; it raises what is wrong."""
    Webhook(secret).verify(body, headers)
    return True


@contextmanager
def receiving(receiver: Receiver) -> Iterator[Receiver]:
    """Run a receiver."""

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers = receiver.take(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            self.send_response(status)
            for name, value in {"content-length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
