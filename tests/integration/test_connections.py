"""Clients that keep the shim waiting: each is given up in time, none costs another its answer, and slow ones are served."""

import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest
from anyio.to_thread import run_sync as to_thread
from prometheus_client import REGISTRY
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from producers.api.http import connections
from tests.integration.hostile import PATIENCE, WAIT, SlowClient, answered, next_answer, served, until_closed
from tests.integration.waiting import wait_for

LARGE = b"x" * 50_000_000
HEAD = b"POST /read HTTP/1.1\r\nHost: x\r\n"
READ = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
GET = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
PARTIAL = {
    "nothing": SlowClient(),
    "half a request line": SlowClient(b"GET /api/v1"),
    "a head without end": SlowClient(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "),
    "a head that drips": SlowClient(b"GET / HTTP/1.1\r\n", drip=b"A"),
    "empty lines that drip": SlowClient(drip=b"\r\n"),
    "a body that never comes": SlowClient(HEAD + b"Content-Length: 1000\r\n\r\n"),
    "half a body": SlowClient(HEAD + b"Content-Length: 1000\r\n\r\n" + b"a" * 500),
    "a body that nobody reads": SlowClient(
        HEAD.replace(b"/read", b"/early") + b"Content-Length: 1000\r\n\r\n", drip=b"a"
    ),
    "a chunked body that drips": SlowClient(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", drip=b"1\r\na\r\n"),
    "a kept connection": SlowClient(READ),
    "a kept connection and half a request": SlowClient(READ + b"GET / HT"),
    "a kept connection and empty lines that drip": SlowClient(READ, drip=b"\r\n"),
    "an answer that is not read": SlowClient(GET, reads=False),
    "answers that are not read": SlowClient(GET * 5, reads=False),
    "TLS": SlowClient(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)),
    "no HTTP": SlowClient(b"EHLO x\r\n\r\n"),
}
ANSWERS = {
    "a head without end": b"HTTP/1.1 408 ",
    "a head that drips": b"HTTP/1.1 408 ",
    "a body that never comes": b"HTTP/1.1 408 ",
    "half a body": b"HTTP/1.1 408 ",
    "a chunked body that drips": b"HTTP/1.1 408 ",
    "TLS": b"HTTP/1.1 400 ",
    "no HTTP": b"HTTP/1.1 400 ",
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads a body, unless the path says that it answers early, and answers with its length."""
    request, body = Request(scope, receive), b""
    try:
        if scope["method"] == "POST" and scope["path"] != "/early":
            body = await request.body()
    except ClientDisconnect:
        return
    await PlainTextResponse(LARGE if scope["path"] == "/large" else f"read {len(body)}")(scope, receive, send)


@pytest.mark.parametrize("name", PARTIAL)
def test_a_client_that_is_waited_for_is_given_up(name: str) -> None:
    with served(app) as port:
        said = until_closed(PARTIAL[name], PARTIAL[name].call(port))
        assert said.startswith(ANSWERS.get(name, b""))
        if name in ANSWERS:
            assert b"application/problem+json" in said
        assert answered(port).endswith(b"read 0")


def test_a_slow_body_and_a_slow_reader_are_served() -> None:
    """For much longer than they would be waited for, if only something moves."""
    with served(app, replace(PATIENCE, bytes_per_second=500, unread_seconds=2)) as port:
        slow = SlowClient(HEAD + b"Content-Length: 20000\r\n\r\n")
        with slow.call(port) as client:
            for _ in range(20):
                client.sendall(b"a" * 1000)
                time.sleep(0.1)
            assert next_answer(client) == b"read 20000"
        with SlowClient(GET).call(port) as client:
            taken = 0
            while taken < len(LARGE):
                piece = client.recv(1_000_000)
                assert piece
                taken += len(piece)
                time.sleep(0.02)


def test_a_handler_that_is_at_work_is_waited_for() -> None:
    """However long it takes: it is the client who waits."""
    release = threading.Event()

    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        await to_thread(release.wait)
        await PlainTextResponse("done")(scope, receive, send)

    with served(busy) as port, SlowClient(READ).call(port) as client:
        client.settimeout(4 * PATIENCE.head_seconds)
        with pytest.raises(TimeoutError):
            client.recv(1)
        release.set()
        client.settimeout(60)
        assert next_answer(client) == b"done"


def test_a_head_without_bounds_is_refused() -> None:
    with served(app, replace(PATIENCE, head_seconds=60)) as port:
        endless = SlowClient(b"GET / HTTP/1.1\r\n", drip=b"X-Y: " + b"z" * 8000 + b"\r\n")
        assert b"431" in until_closed(endless, endless.call(port))[:20]


def test_trailers_are_no_headers() -> None:
    async def keyed(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        names = [name.decode() for name, _ in scope["headers"]]
        await PlainTextResponse(" ".join(names))(scope, receive, send)

    body = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\na\r\n0\r\nX-API-Key: stolen\r\n\r\n"
    with served(keyed) as port, SlowClient(HEAD + body).call(port) as client:
        said = b""
        while piece := client.recv(1000):
            said += piece
        assert said.endswith(b"host transfer-encoding connection")


def test_requests_that_are_sent_ahead_are_answered_in_their_order() -> None:
    sent = READ + HEAD + b"Content-Length: 3\r\n\r\nabc" + READ.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with served(app) as port, SlowClient(sent).call(port) as client:
        said = b""
        while piece := client.recv(1000):
            said += piece
        assert [said.count(text) for text in (b"read 0", b"read 3")] == [2, 1]
        assert said.index(b"read 0") < said.index(b"read 3")


def test_a_client_that_asks_first_may_send() -> None:
    """It is waited for from the moment on at which it is told to go on."""
    with (
        served(app) as port,
        SlowClient(HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n").call(port) as client,
    ):
        assert client.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        client.sendall(b"abc")
        assert next_answer(client) == b"read 3"


def send_on(client: socket.socket, piece: bytes) -> None:
    for _ in range(100_000):
        client.sendall(piece)


UNWANTED = {
    "by its length": (b"Content-Length: 999999999999\r\n\r\n", b"x" * 16_384),
    "in pieces": (b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b"x" * 0x4000 + b"\r\n"),
    "on request": (b"Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n", b""),
}


@pytest.mark.parametrize("name", UNWANTED)
def test_a_body_that_comes_after_its_answer_is_not_taken_for_ever(name: str) -> None:
    """However fast: the answer says that the connection ends, can be read to its end, and then it does."""
    frame, drip = UNWANTED[name]
    endless = SlowClient(HEAD.replace(b"/read", b"/early") + frame, drip=drip)
    with served(app, replace(PATIENCE, body_seconds=900, idle_seconds=900)) as port, endless.call(port) as client:
        said = b""
        while piece := client.recv(65_536):
            said += piece
        assert said.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in said.lower()
        assert said.endswith(b"read 0")
        with pytest.raises(ConnectionError):
            send_on(client, drip or b"x" * 16_384)


def test_what_is_sent_behind_an_unwanted_body_is_no_request() -> None:
    first = HEAD.replace(b"/read", b"/early") + b"Content-Length: 10\r\n\r\nabc"
    with served(app) as port, SlowClient(first).call(port) as client:
        said = client.recv(1000)
        client.sendall(b"defghij" + READ)
        while piece := client.recv(1000):
            said += piece
        assert said.count(b"HTTP/1.1 ") == 1


def cut(reason: str) -> float:
    return REGISTRY.get_sample_value("scribe_rabbit_http_connections_cut_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize(
    "name",
    ["nothing", "half a request line", "a body that never comes", "a kept connection", "an answer that is not read"],
)
def test_those_that_wait_make_room_for_a_new_client(name: str) -> None:
    patient = replace(PATIENCE, most=20, idle_seconds=900, head_seconds=900, body_seconds=900, unread_seconds=900)
    with served(app, patient) as port, ExitStack() as clients:
        for _ in range(60):
            clients.enter_context(PARTIAL[name].call(port))
            time.sleep(0.01)
        time.sleep(0.3)
        before = cut("room")
        for _ in range(5):
            assert answered(port).endswith(b"read 0")
        assert cut("room") > before


@pytest.mark.parametrize("path", ["/livez", "/read"])
def test_a_client_that_came_a_moment_ago_makes_no_room_for_those_before_it(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request may be on its way, and those who sent half of theirs are many; some of them are served only after it came.

    How many are cut depends on the order: a request that begins while there is room cuts nobody, nor does a client that is
    cut before its own request began. Of 24 clients in 16 places 8 are cut in every order, and 14 with the 6 that follow.
    """
    monkeypatch.setattr(connections, "_MOMENT_SECONDS", 900.0)  # as long as a busy machine may take for all of this
    patient = replace(PATIENCE, most=8, spare=8, head_seconds=900, body_seconds=900)
    half = SlowClient(b"POST " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
    before = cut("room")
    with served(app, patient) as port, ExitStack() as clients:
        for _ in range(24):
            clients.enter_context(half.call(port))
        wait_for(lambda: cut("room") >= before + 8)
        first, *_ = [clients.enter_context(SlowClient().call(port)) for _ in range(3)]
        for _ in range(3):
            clients.enter_context(half.call(port))
        wait_for(lambda: cut("room") >= before + 14)
        first.sendall(READ)
        assert next_answer(first) == b"read 0"


def test_where_nobody_waits_new_clients_are_told_and_health_is_answered() -> None:
    begun, release = threading.Semaphore(0), threading.Event()

    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/work":
            begun.release()
            await to_thread(release.wait)
        await PlainTextResponse("done")(scope, receive, send)

    work = SlowClient(READ.replace(b"/ ", b"/work "))
    with served(busy, replace(PATIENCE, most=8, spare=8)) as port, ExitStack() as clients:
        working = [clients.enter_context(work.call(port)) for _ in range(8)]
        assert all(begun.acquire(timeout=90) for _ in range(8))
        refused = answered(port, "/api/v1/models")
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in refused.lower()
        assert b"too_many_connections" in refused
        for path in ("/livez", "/readyz", "/metrics"):
            assert answered(port, path).endswith(b"done")
        release.set()
        for client in working:
            assert next_answer(client) == b"done"


def test_many_that_send_nothing_hold_nobody_up() -> None:
    with served(app) as port, ExitStack() as clients:
        for _ in range(400):
            client = clients.enter_context(socket.socket())
            client.connect(("127.0.0.1", port))
        assert answered(port).endswith(b"read 0")


def test_a_complete_request_is_answered_before_all_incomplete_ones_have_begun() -> None:
    """All of them come while the server is busy, and it comes last."""
    begun: list[str] = []
    release = threading.Event()

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/busy":
            release.wait(WAIT)  # and nothing else goes on meanwhile
        begun.append(scope["method"])
        await app(scope, receive, send)

    half = SlowClient(HEAD + b"Content-Length: 9\r\n\r\n{")
    with (
        served(counting, replace(PATIENCE, body_seconds=900, head_seconds=900, spare=1000)) as port,
        ExitStack() as clients,
    ):
        clients.enter_context(SlowClient(READ.replace(b"/ ", b"/busy ")).call(port))
        for _ in range(100):
            clients.enter_context(half.call(port))
        last = clients.enter_context(SlowClient(READ).call(port))
        release.set()
        assert next_answer(last) == b"read 0"
        wait_for(lambda: len(begun) == 102)
        assert begun.index("GET", 1) < 50
