"""Webhooks posted to real servers that lie, stall, flood and lead elsewhere."""

import asyncio
import gzip
import ssl
from contextlib import ExitStack, suppress

import psutil
import pytest
import trustme

from schemas.settings.outbound import OutboundSettings
from sink.http.client import AsyncOutboundClient, DeliveryError, ResponseHead
from sink.http.exchange import FailureKind
from tests.sink.strangers import (
    CHUNKED,
    CLOSED,
    HERE,
    LONG,
    LOOPBACK,
    NAME,
    OK,
    SHORT,
    Names,
    Script,
    StrangersServer,
    Visit,
    answer,
    server_context,
    stranger,
    url_of,
)

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"


SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"


def after(head: bytes, rest: Script) -> Script:
    """`head` first, then what `rest` does."""

    def script(visit: Visit) -> None:
        visit.send(head)
        rest(visit)

    return script


def flood(data: bytes) -> Script:
    return lambda visit: visit.flood(data)


def drip(byte: bytes) -> Script:
    return lambda visit: visit.drip(byte)


def post(
    url: str,
    *,
    settings: OutboundSettings = LOOPBACK,
    headers: dict[str, str] | None = None,
    trust: ssl.SSLContext | None = None,
    deadline_seconds: float = LONG,
    body: bytes = b'{"type":"job.completed"}',
) -> ResponseHead:
    client = AsyncOutboundClient(settings, "development", resolve=Names(HERE), ssl_context=trust)
    return asyncio.run(client.post(url, body, headers or {}, deadline_seconds=deadline_seconds))


def test_a_webhook_is_posted_byte_for_byte_and_its_answer_told() -> None:
    body = '{"text": "שלום"}'.encode()
    headers = {"content-type": "application/json", "webhook-id": "msg_1"}
    with stranger(answer(503, "später".encode(), Retry_After="120")) as server:
        told = post(url_of(server, "/hook?a=b"), body=body, headers=headers)
        assert (told.status, told.headers["retry-after"], told.head) == (503, "120", "später")
        assert told.latency_ms >= 0
        (visit,) = server.visits
        assert visit.head.startswith(b"POST /hook?a=b HTTP/1.1\r\n")
        assert (visit.body, visit.header("webhook-id")) == (body, "msg_1")
        assert visit.header("host") == f"{NAME}:{server.port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_webhook_follows_no_redirect(status: int) -> None:
    with stranger(answer(200)) as canary:
        with stranger(answer(status, location=url_of(canary, "/"))) as server:
            assert post(url_of(server)).status == status
        assert canary.connections == 0


@pytest.mark.parametrize(
    "rest",
    [
        lambda visit: visit.flood(b"400\r\n" + b"x" * 1024 + b"\r\n"),
        lambda visit: visit.drip(b"1\r\nx\r\n"),
        Visit.wait,
        Visit.reset,
        lambda visit: visit.send(b"no chunk at all\r\n"),
    ],
    ids=["endless", "slow", "silent", "reset", "garbage"],
)
def test_a_status_that_was_told_stands_whatever_the_body_does(rest: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sink.http.client.HEAD_OF_ANSWER_SECONDS", 0.1)
    with stranger(after(CHUNKED, rest)) as server:
        told = post(url_of(server))
    assert told.status == 200
    assert len(told.head) <= 1024


def test_a_status_that_was_told_stands_when_the_deadline_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sink.http.client.HEAD_OF_ANSWER_SECONDS", LONG)
    with stranger(after(CHUNKED, Visit.wait)) as server:
        assert post(url_of(server), deadline_seconds=4).status == 200


@pytest.mark.parametrize("early", [EARLY, EARLY * 100, b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_an_informational_answer_is_not_the_answer(early: bytes) -> None:
    with stranger(lambda visit: visit.send(early, OK, b"Content-Length: 2\r\n\r\nok")) as server:
        told = post(url_of(server))
    assert (told.status, told.head) == (200, "ok")


def test_a_compressed_answer_is_not_unpacked() -> None:
    with stranger(answer(200, gzip.compress(bytes(10**7)), content_encoding="gzip")) as server:
        assert len(post(url_of(server)).head) <= 1024


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (Visit.wait, FailureKind.TIMEOUT),
        (lambda visit: visit.drip(b"H"), FailureKind.TIMEOUT),
        (Visit.reset, FailureKind.BROKEN),
        (lambda visit: None, FailureKind.BROKEN),
        (after(OK, flood(b"X-Header: x\r\n")), FailureKind.PROTOCOL),
        (after(OK, flood(b"x" * 1024)), FailureKind.PROTOCOL),
        (flood(EARLY), FailureKind.PROTOCOL),
        (after(EARLY, Visit.wait), FailureKind.TIMEOUT),
        (flood(b"\x00\xff" * 512), FailureKind.BROKEN),
        (after(SWITCHING, drip(b"\x81")), FailureKind.BROKEN),
    ],
    ids=[
        "silence",
        "slow-head",
        "reset",
        "no-answer",
        "endless-headers",
        "endless-header",
        "endless-informational",
        "informational-only",
        "no-http",
        "other-protocol",
    ],
)
def test_no_answer_says_its_kind(script: Script, kind: FailureKind) -> None:
    with stranger(script) as server, pytest.raises(DeliveryError) as caught:
        post(url_of(server), deadline_seconds=SHORT if kind is FailureKind.TIMEOUT else LONG)
    assert caught.value.kind is kind


def test_a_webhook_is_never_sent_inside() -> None:
    with stranger(answer(200)) as server:
        for url in (url_of(server), url_of(server, host="127.0.0.1")):
            with pytest.raises(DeliveryError) as caught:
                post(url, settings=CLOSED)
            assert caught.value.kind is FailureKind.REFUSED
        assert server.connections == 0


def test_a_webhook_needs_a_certificate_for_its_name(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    with stranger(answer(200), tls=server_context(authority, "other.example")) as server:
        with pytest.raises(DeliveryError, match="certificate") as caught:
            post(url_of(server, scheme="https"), trust=trusting)
        assert caught.value.kind is FailureKind.UNREACHABLE
        assert server.visits == []


@pytest.mark.parametrize("wrong", ["self-signed", "no-tls"])
def test_a_receiver_that_nobody_vouches_for_gets_nothing(wrong: str, trusting: ssl.SSLContext) -> None:
    tls = server_context(trustme.CA(), NAME) if wrong == "self-signed" else None
    with stranger(answer(200), tls=tls) as server:
        with pytest.raises(DeliveryError) as caught:
            post(url_of(server, scheme="https"), trust=trusting, deadline_seconds=SHORT if wrong == "no-tls" else LONG)
        assert caught.value.kind is not FailureKind.REFUSED
        assert server.visits == []


BOMB = gzip.compress(bytes(10**8))
HOSTILE: dict[str, Script] = {
    "gigabyte": after(OK + b"Content-Length: 1000000000\r\n\r\n", flood(bytes(65536))),
    "endless-chunks": after(CHUNKED, flood(b"ffff\r\n" + bytes(65535) + b"\r\n")),
    "endless-chunk-extension": after(CHUNKED, flood(b"1;" + b"x" * 65536)),
    "gzip-bomb": answer(200, BOMB, content_encoding="gzip"),
    "endless-headers": after(OK, flood(b"X-Header: x\r\n" * 1000)),
    "endless-informational": flood(EARLY * 1000),
    "one-byte-a-second": after(CHUNKED, drip(b"1")),
    "slow-head": drip(b"H"),
    "silence": Visit.wait,
}


def test_hostile_receivers_take_neither_memory_nor_places() -> None:
    """Each of them eight times at once: freed a second after the deadline, and nothing of what they send is kept."""
    deadline_seconds, process = 2.0, psutil.Process()

    async def calls(servers: list[StrangersServer]) -> list[float]:
        """The seconds that each took, by a clock that stands still whenever the whole process does."""
        client, beats = AsyncOutboundClient(LOOPBACK, "development", resolve=Names(HERE)), list[float]()

        async def beat() -> None:
            while True:
                await asyncio.sleep(0.05)
                beats.append(0.05)

        async def call(server: StrangersServer) -> float:
            with suppress(DeliveryError):
                await client.post(url_of(server), b"{}", {}, deadline_seconds=deadline_seconds)
            return sum(beats)

        heart = asyncio.create_task(beat())
        try:
            return await asyncio.gather(*(call(server) for server in servers for _ in range(8)))
        finally:
            heart.cancel()

    with ExitStack() as stack:
        servers = [stack.enter_context(stranger(script)) for script in HOSTILE.values()]
        asyncio.run(calls(servers))  # what libraries and threads keep for good is no growth
        before = process.memory_info().rss
        seconds = asyncio.run(calls(servers))
        grown = process.memory_info().rss - before
    assert grown < 20_000_000
    # the deadline, a second to read the body's first bytes, and one for the work itself
    assert max(seconds) < deadline_seconds + 1 + 1


def test_nobody_listening_is_an_unreachable_receiver(deaf_port: int) -> None:
    with pytest.raises(DeliveryError) as caught:
        post(f"http://{NAME}:{deaf_port}/")
    assert caught.value.kind is FailureKind.UNREACHABLE


def test_a_header_that_would_break_the_request_is_not_sent() -> None:
    with stranger(answer(200)) as server:
        with pytest.raises(DeliveryError) as caught:
            post(url_of(server), headers={"x-evil": "a\r\nHost: inside"})
        assert caught.value.kind is FailureKind.REFUSED
        assert server.visits == []
