"""A write of what must not be there yet carries Cloud Storage's own condition, in headers and a signature that it takes."""

import hashlib
import hmac
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from schemas.settings.stores import ObjectStoreSettings
from sink.objects.google import is_google
from sink.objects.s3 import S3ObjectStore

SECRET = "secret"
MIXED = b"<Error><Code>ExcessHeaderValues</Code></Error>"
EXISTS = b"<Error><Code>PreconditionFailed</Code></Error>"


class CloudStorage(ThreadingHTTPServer):
    """As much of Cloud Storage as the condition needs: it ignores that of S3, and refuses two kinds of headers at once."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.tries: list[dict[str, str]] = []
        self.busy = 0

    def put(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        kinds = {name.split("-")[1] for name in headers if name.startswith(("x-amz-", "x-goog-"))}
        if len(kinds) > 1:
            return 400, MIXED
        if headers["authorization"].rpartition("Signature=")[2] != signature(path, headers):
            return 403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
        if self.busy:
            self.busy -= 1
            return 503, b"<Error><Code>ServiceUnavailable</Code></Error>"
        if headers.get("x-goog-if-generation-match") == "0" and path in self.objects:
            return 412, EXISTS
        self.objects[path] = body
        return 200, b""


class _Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True
    server: CloudStorage

    def do_PUT(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("expect") == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(int(headers["content-length"]))
        self.server.tries.append(headers)
        status, answer = self.server.put(self.path, headers, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def signature(path: str, headers: Mapping[str, str]) -> str:
    """Signature version 4 of a request, reckoned from its headers as they came."""
    fields = dict(part.split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(", "))
    kind = "x-goog" if "x-goog-date" in headers else "x-amz"
    names = fields["SignedHeaders"].split(";")
    canonical = "\n".join(
        [
            *("PUT", path, "", *(f"{name}:{headers[name].strip()}" for name in names)),
            *("", ";".join(names), headers[f"{kind}-content-sha256"]),
        ]
    )
    _, day, region, service, end = fields["Credential"].split("/")
    scope = "/".join((day, region, service, end))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", headers[f"{kind}-date"], scope, digest))
    key = f"AWS4{SECRET}".encode()
    for part in (day, region, service, end):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@contextmanager
def cloud_storage(*, of_google: bool) -> Iterator[tuple[CloudStorage, S3ObjectStore]]:
    with CloudStorage() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        values = {
            "s3_endpoint": f"http://127.0.0.1:{server.server_port}",
            "s3_access_key": "key",
            "s3_secret_key": SECRET,
        }
        try:
            with closing(S3ObjectStore(ObjectStoreSettings.model_validate(values), of_google=of_google)) as store:
                yield server, store
        finally:
            server.shutdown()
            thread.join()


def test_what_is_there_stays() -> None:
    with cloud_storage(of_google=True) as (server, store):
        first = store.put("acme/a b", b"first", content_type="text/plain", if_absent=True)
        second = store.put("acme/a b", b"second", content_type="text/plain", if_absent=True)
    assert (first, second) == (True, False)
    assert list(server.objects.values()) == [b"first"]
    assert all("if-none-match" not in each for each in server.tries)


def test_without_it_the_second_would_replace_the_first() -> None:
    # given a store that ignores the condition of S3, when it is spoken to as S3, then the promise is broken
    with cloud_storage(of_google=False) as (server, store):
        taken = [store.put("k", body, content_type="text/plain", if_absent=True) for body in (b"first", b"second")]
    assert taken == [True, True]
    assert list(server.objects.values()) == [b"second"]


def test_a_second_try_says_everything_once() -> None:
    with cloud_storage(of_google=True) as (server, store):
        server.busy = 1
        assert store.put("k", b"x", content_type="text/plain", if_absent=True)
    assert [each["x-goog-if-generation-match"] for each in server.tries] == ["0", "0"]


def test_other_writes_stay_as_they_are() -> None:
    with cloud_storage(of_google=True) as (server, store):
        for body in (b"first", b"second"):
            store.put("k", body, content_type="text/plain")
    assert list(server.objects.values()) == [b"second"]
    assert all("x-amz-date" in each and "x-goog-date" not in each for each in server.tries)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://storage.googleapis.com", True),
        ("https://bucket.storage.googleapis.com", True),
        ("https://storage.europe-west4.rep.googleapis.com", True),
        ("https://storage.googleapis.com.example.org", False),
        ("https://s3.example.org", False),
        (None, False),
    ],
)
def test_an_address_tells_whose_store_it_is(endpoint: str | None, expected: bool) -> None:
    assert is_google(endpoint) is expected
