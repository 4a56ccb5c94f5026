"""An HTTP server on loopback that serves recordings and every kind of disappointment."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

PAGE = b"<!doctype html><html><body><h1>Please log in</h1></body></html>"


class MediaServer:
    """Serves `files` by path, /page.html, and /redirect, which leads to the metadata address; /later is away until it is one."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(files))
        self._server.daemon_threads = True

    def url(self, name: str) -> str:
        """The address of a file."""
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(files: dict[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            name = self.path.partition("?")[0].lstrip("/")
            if name == "redirect":
                self.send_response(302)
                self.send_header("location", "http://169.254.169.254/latest/meta-data/")
                self.end_headers()
            elif name in files:
                self._send(200, files[name])
            elif name == "page.html":
                self._send(200, PAGE, "text/html")
            elif name == "later":
                self._send(503, b"not now", "text/plain")
            else:
                self._send(404, b"nothing here", "text/plain")

        def _send(self, status: int, body: bytes, kind: str = "application/octet-stream") -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The tests look at the service, not at this server."""

    return Handler
