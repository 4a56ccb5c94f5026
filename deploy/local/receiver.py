"""A webhook receiver that records its calls: for the demo, and for tests that count deliveries."""

from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from types import TracebackType
from typing import Self

from standardwebhooks import Webhook

from deploy.local.ports import HOST

MAX_BODY_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Received:
    """One received call: its headers with names in lower case, and the exact bytes of its body."""

    headers: dict[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        """The id that stays the same over all attempts."""
        return self.headers.get("webhook-id", "")

    def verified(self, secret: str) -> dict[str, object]:
        """The payload after its signature and age are checked; raises standardwebhooks.WebhookVerificationError."""
        payload: dict[str, object] = Webhook(secret).verify(self.body, self.headers)
        return payload


class Receiver:
    """Receiver on a free port; `answer` chooses the status of each call."""

    def __init__(self, answer: Callable[[Received], int] = lambda _: 204) -> None:
        self._answer = answer
        self._changed = Condition()
        self.calls: list[Received] = []
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The URL to which webhooks are sent."""
        return f"http://{HOST}:{self._server.server_port}/hook"

    def wait(self, enough: Callable[[list[Received]], bool], seconds: float) -> bool:
        """Wait until `enough` is true of the calls received so far; False when time is up."""
        with self._changed:
            return self._changed.wait_for(lambda: enough(self.calls), seconds)

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:
        class ReceiverHandler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                length = min(int(self.headers.get("content-length", 0)), MAX_BODY_BYTES)
                call = Received({name.lower(): value for name, value in self.headers.items()}, self.rfile.read(length))
                with receiver._changed:
                    receiver.calls.append(call)
                    receiver._changed.notify_all()
                self.send_response(receiver._answer(call))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Suppress the access log, since the calls are recorded."""

        return ReceiverHandler

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
