"""Bytes that are no request: each gets a problem document and the end of its connection, and nobody else notices."""

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from producers.api.http.protocol import MAX_HEAD_BYTES
from sink.memory import MemoryObjectStore
from tests.integration.rest import URL, rows
from tests.integration.shim import RunningShim, serving

BODY = json.dumps({"url": URL}).encode()


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


PIECE_SECONDS = 0.02  # so that the server most often reads each piece by itself; either way the answers are the same


def exchange(shim: RunningShim, *pieces: bytes) -> bytes:
    """All that the server says to some bytes, until it closes the connection."""
    url = httpx.URL(shim.url)
    said = b""
    with socket.create_connection((url.host, url.port or 80), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(PIECE_SECONDS)
        try:
            while more := connection.recv(65_536):
                said += more
        except ConnectionResetError:  # it closed while more was on its way
            pass
    return said


def answers(said: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Status, headers and body of each answer."""
    found = []
    while said:
        head, _, said = said.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        found.append((int(first.split()[1]), headers, said[:length]))
        said = said[length:]
    return found


def head(*headers: bytes, line: bytes = b"GET /livez HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: x", *headers, b"", b""])


def post(shim: RunningShim, *headers: bytes) -> bytes:
    key = f"X-API-Key: {shim.key}".encode()
    return head(key, b"Content-Type: application/json", *headers, line=b"POST /api/v1/transcribe HTTP/1.1")


NO_REQUESTS = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"GET\r\n\r\n",
    b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /livez\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"BREW /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /livez HTTP/1.1\r\n\r\n",
    b"GET /livez HTTP/1.1\nHost: x\n\n",
    head(b"Host: y"),
    head(b"bad name: x"),
    head(b"b\xe9d: x"),
    head(b": x"),
    head(b"no colon"),
    head(b"a: b\x00c"),
    head(b"a: b", b" folded"),
    head(b"Content-Length: 3", b"Content-Length: 4") + b"abc",
    head(b"Content-Length: -1"),
    head(b"Content-Length: +3") + b"abc",
    head(b"Content-Length: 3,3") + b"abc",
    head(b"Content-Length: 0x3") + b"abc",
    head(b"Content-Length: 3", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    head(b"Transfer-Encoding: chunked", b"Content-Length: 3") + b"0\r\n\r\n",
    head(b"Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n",
    head(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
]


def test_what_is_no_request_is_told_so_and_the_connection_ends(shim: RunningShim) -> None:
    for data in NO_REQUESTS:
        ((status, headers, body),) = answers(exchange(shim, data))
        assert (status, headers["content-type"]) == (400, "application/problem+json"), data
        problem = json.loads(body)
        assert (problem["code"], problem["status"]) == ("malformed_request", 400)
        assert problem["request_id"] == headers["x-request-id"]
        assert problem["detail"]
    assert httpx.get(f"{shim.url}/livez", trust_env=False, timeout=60).status_code == 200


def test_a_body_that_breaks_its_frame_makes_no_job(shim: RunningShim) -> None:
    """The head was fine, and the handler waits for the body."""
    chunked = post(shim, b"Transfer-Encoding: chunked")
    for body in (b"zz\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n", b"ffffffffffffffffff\r\n"):
        ((status, headers, _),) = answers(exchange(shim, chunked, body))
        assert (status, headers["content-type"]) == (400, "application/problem+json"), body
    assert rows(shim, "SELECT count(*) FROM jobs") == [(0,)]


def test_a_head_has_a_limit(shim: RunningShim) -> None:
    """In one line or many, whole or never ending; one below it is taken."""
    many = b"".join(b"x-%d: y\r\n" % number for number in range(MAX_HEAD_BYTES // 8))
    for data in (
        head(b"a: " + b"b" * MAX_HEAD_BYTES),
        head(many + b"z: z"),
        head(line=b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1"),
        b"GET /livez HTTP/1.1\r\nHost: x\r\na: " + b"b" * 2_000_000,
    ):
        ((status, headers, body),) = answers(exchange(shim, data))
        assert (status, json.loads(body)["code"]) == (431, "headers_too_large")
        assert headers["content-type"] == "application/problem+json"
    taken = answers(exchange(shim, head(b"a: " + b"b" * (MAX_HEAD_BYTES - 200), b"Connection: close")))
    assert [status for status, _, _ in taken] == [200]


def test_the_answer_before_nonsense_stands_alone(shim: RunningShim) -> None:
    """What is wrong with the next request is not told in the place of the answer to this one."""
    told = answers(exchange(shim, head(line=b"GET /readyz HTTP/1.1") + b"NONSENSE\r\n\r\n"))
    assert [(status, "problem" in headers["content-type"]) for status, headers, _ in told] == [(200, False)]


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.3"])
def test_a_wish_for_another_protocol_is_passed_over(shim: RunningShim, protocol: bytes) -> None:
    """Java's client has it in the first request of each connection; the body and the next request are read as ever."""
    wish = [b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA"]
    length, last = b"Content-Length: %d" % len(BODY), b"Connection: close"
    spelt = (b"Upgrade: " + protocol, b"uPGRADE:" + protocol)
    for name in spelt:
        first = post(shim, *wish, name, length) + BODY
        for cut in (0, first.index(name) + 3):
            told = answers(exchange(shim, first[:cut], first[cut:], post(shim, length, last) + BODY))
            assert [status for status, _, _ in told] == [202, 202], (name, cut)
    assert rows(shim, "SELECT count(*) FROM jobs") == [(8,)]
