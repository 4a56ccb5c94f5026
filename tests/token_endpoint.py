"""A token endpoint of OAuth for tests: client credentials in, unsigned tokens out."""

import base64
import json
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl

LIFE_SECONDS = 600


def unsigned_token(subject: str) -> str:
    """A JSON web token without a signature, which brokers take only where they are told to."""
    now = int(time.time())
    claims = {"sub": subject, "iat": now - 1, "exp": now + LIFE_SECONDS, "scope": "kafka"}
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims)
    )
    return ".".join(parts) + "."


class TokenEndpoint:
    """Knows one client; `answer` replaces what it would say, `asked` are the forms that came."""

    def __init__(self, client: str, secret: str) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: tuple[HTTPStatus, Any] | None = None
        expected = "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                endpoint.asked.append(dict(parse_qsl(form)))
                status, body = endpoint.answer or endpoint._judged(self.headers["Authorization"] == expected, client)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"

    def _judged(self, known: bool, client: str) -> tuple[HTTPStatus, Any]:
        if not known:
            return HTTPStatus.UNAUTHORIZED, {"error": "invalid_client"}
        return HTTPStatus.OK, {"access_token": unsigned_token(client), "expires_in": LIFE_SECONDS}

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
