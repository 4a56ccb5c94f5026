"""HTTP/1.1 through uvicorn and httptools, with problem documents as answers to malformed requests."""

import logging
import re
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from producers.api.problems import framing_problem
from schemas import metrics
from schemas.errors import Rejected

log = logging.getLogger(__name__)
MAX_HEAD_BYTES = 64 * 1024  # request line and headers
_UPGRADE = re.compile(rb"(?<=\n)upgrade(?=:)", re.IGNORECASE)
_FIRST_UPGRADE = re.compile(rb"\Aupgrade(?=:)", re.IGNORECASE)  # of a piece whose first line was kept back
_NOT_ASKED = b"x-upgrade"
_LINE = b"upgrade:"


class ProblemProtocol(HttpToolsProtocol):
    """A connection that answers malformed and oversized requests with problem documents."""

    def __init__(self, *arguments: Any, **values: Any) -> None:
        super().__init__(*arguments, **values)
        self._reading_head = True
        self._head_bytes = 0
        self._kept_back = b""
        self._refusal: Rejected | None = None

    def data_received(self, data: bytes) -> None:
        """Read more bytes; an oversized head is refused before it is complete."""
        self._unset_keepalive_if_required()
        if self._reading_head:
            data = self._without_upgrade(data)
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
            if self._reading_head and self._head_bytes > MAX_HEAD_BYTES:
                self._refuse("headers_too_large", f"at most {MAX_HEAD_BYTES} bytes")
        except httptools.HttpParserCallbackError:
            self.send_400_response("its parts do not fit together")
        except (httptools.HttpParserError, _Refused) as error:
            self.send_400_response(str(error))

    def _without_upgrade(self, data: bytes) -> bytes:
        """A part of a head without the request to upgrade to another protocol.

        httptools reads the bytes after such a head as the other protocol, although a server may ignore the request.
        Java's client asks for HTTP/2 in the first request of every connection without TLS.
        """
        if self._kept_back:
            data, self._kept_back = _FIRST_UPGRADE.sub(_NOT_ASKED, self._kept_back + data), b""
        end = data.find(b"\r\n\r\n") + 1 or len(data)
        data = _UPGRADE.sub(_NOT_ASKED, data[:end]) + data[end:]
        last = data[data.rfind(b"\n") + 1 :]
        if end == len(data) and last and _LINE.startswith(last.lower()):
            data, self._kept_back = data[: -len(last)], last
        return data

    def on_message_begin(self) -> None:
        """Note the start of a request."""
        self._reading_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Check the complete head: size, Host and Upgrade."""
        self._reading_head = False
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refuse("headers_too_large", f"at most {MAX_HEAD_BYTES} bytes")
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            self._refuse("malformed_request", "there must be one Host")
        if self.parser.should_upgrade():  # asked for behind another request, in the same piece
            self._refuse("malformed_request", "Upgrade is not known")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note the end of a body; the head of another request comes next."""
        self._reading_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _refuse(self, code: str, detail: str) -> None:
        self._refusal = Rejected(code, detail)
        raise _Refused

    def send_400_response(self, msg: str) -> None:
        """Answer with an error and close, since the start of the next request is not known."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or not cycle.more_body:
                # the answer to the request before stands alone, then the connection ends
                cycle.keep_alive = False
                self.flow.pause_reading()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        error = self._refusal or Rejected("malformed_request", msg)
        log.debug("not a request: %s", error.detail)
        self.transport.write(framing_answer(error))
        self.transport.close()


def framing_answer(error: Rejected, path: str = "") -> bytes:
    """The bytes of an error answer that no handler gives; it is counted. `path` is empty where none was read."""
    status, headers, body = framing_problem(error, path)
    metrics.HTTP_REQUESTS.labels("other", "none", status).inc()
    lines = [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers.items()]
    return b"".join([STATUS_LINE[status], *lines, b"connection: close\r\n\r\n", body])


class _Refused(Exception):
    """Error: the head of a request is refused; the connection keeps the reason."""
