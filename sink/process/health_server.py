"""HTTP server for /metrics, /livez and /readyz in processes without REST, in a thread of its own.

`/readyz?verbose` answers the same status with a JSON object: what is missing, and what waits in the process and why.
"""

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas.errors import SettingsError
from schemas.process.wait_report import WaitReport, to_json
from schemas.settings.service import ServiceSettings
from sink.process.waiting_metrics import export

log = logging.getLogger(__name__)
MOST_CALLERS = 16  # at once, each with a thread of its own
CALL_SECONDS = 10.0  # that a call may take in all
_PAUSE_SECONDS = 0.1

Check = Callable[[], str | None]
"""Why the process is not well, None when it is; called from the server's threads."""
Waits = Callable[[], WaitReport]
"""What waits in the process; called from the server's threads."""


def well() -> str | None:
    """A health check that always passes."""
    return None


class HealthServer:
    """Serves while it is entered; `ready` and `live` give the reason for a 503, `waits` the report of waiting work."""

    def __init__(
        self, settings: ServiceSettings, *, ready: Check = well, live: Check = well, waits: Waits = WaitReport
    ) -> None:
        self._settings = settings
        self._waits = waits
        self._checks = {"/readyz": ready, "/livez": live, "/health": live}
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int | None:
        """The port it listens on, None when the settings name none."""
        return self._server.server_port if self._server else None

    def __enter__(self) -> "HealthServer":
        """Listen; raises SettingsError when the port is taken."""
        if self._settings.metrics_port is None:
            return self
        address = (self._settings.metrics_host, self._settings.metrics_port)
        try:
            self._server = _Server(address, self._checks, self._waits)
        except OSError as error:
            raise SettingsError(f"SCRIBE_METRICS_PORT: {address[0]}:{address[1]}: {error}") from error
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], checks: dict[str, Check], waits: Waits) -> None:
        self.checks = checks
        self.waits = waits
        self._calls: dict[socket.socket, float] = {}
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base class's words
        """Log an error in one line; a probe that disconnects early is ignored."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            log.error("a probe could not be answered", exc_info=error)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Like the base class, but pauses when no more files can be opened, instead of retrying in a tight loop."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(_PAUSE_SECONDS)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; callers that send nothing give way to others."""
        self._calls[request] = time.monotonic()
        self._hang_up(list(self._calls)[:-MOST_CALLERS])
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Close, twice a second, connections whose time is up; sending single bytes does not extend it."""
        late = time.monotonic() - CALL_SECONDS
        self._hang_up([request for request, begun in list(self._calls.items()) if begun < late])

    def shutdown_request(self, request: Any) -> None:
        """Release a finished request."""
        self._calls.pop(request, None)
        super().shutdown_request(request)

    def _hang_up(self, requests: list[socket.socket]) -> None:
        for request in requests:
            self._calls.pop(request, None)
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)  # its thread reads and writes no more, and ends


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # seconds that a caller may be silent
    default_request_version = "HTTP/1.0"  # what it answers when it cannot read which one is asked for
    server_version, sys_version = "scribe-rabbit", ""
    error_message_format = "%(message)s\n"
    error_content_type = "text/plain; charset=utf-8"
    disable_nagle_algorithm = True  # else the body waits until the head is acknowledged

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/metrics":
            export(self.server.waits())
            return self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
        if (check := self.server.checks.get(path)) is None:
            return self._answer(404, b"see /metrics, /livez, /readyz\n")
        reason = check()
        status = 200 if reason is None else 503
        if path == "/readyz" and "verbose" in parse_qs(query, keep_blank_values=True):
            report = {"ready": reason is None, "reason": reason, **to_json(self.server.waits())}
            return self._answer(status, f"{json.dumps(report)}\n".encode(), "application/json")
        return self._answer(status, f"{reason or 'ok'}\n".encode())

    do_HEAD = do_GET

    def _answer(
        self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8", **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer an invalid request; the base class also calls this method for unsupported methods."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n", Allow="GET, HEAD")
        else:
            super().send_error(code, message, explain)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: probes come every few seconds."""
