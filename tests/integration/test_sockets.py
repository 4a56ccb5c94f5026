"""No socket of ours waits with a small packet: else every second one of an answer costs 40 ms on a kept connection."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

import httpcore
import httpx
import psycopg
import pytest
from pydantic import SecretStr
from starlette.responses import PlainTextResponse

from deploy.local.extractive_ai import ExtractiveService
from deploy.local.receiver import Receiver
from producers.api.http.server import listening
from schemas.settings.outbound import OutboundSettings
from schemas.settings.service import ServiceSettings
from sink.http.client import trust_of
from sink.http.exchange import ByteBudget, direct
from sink.http.proxy import Proxy
from sink.process.health_server import HealthServer
from tests.accepted import other_end, sends_at_once
from tests.integration.hostile import served
from tests.integration.waiting import wait_for
from tests.sink.connect_proxy import tunnels
from tests.sink.strangers import stranger
from tests.streams.receiver import Receiver as WebhookReceiver
from tests.streams.receiver import receiving
from tests.system.media_server import MediaServer

Port = int


@contextmanager
def shim() -> Iterator[Port]:
    with served(PlainTextResponse("ok")) as port:
        yield port


@contextmanager
def plain_asyncio() -> Iterator[Port]:
    """The shim's socket under the loop that sets nothing by itself."""
    loop = asyncio.new_event_loop()
    protocols: list[_Open] = []

    def opened() -> _Open:
        protocols.append(_Open())
        return protocols[-1]

    with listening("127.0.0.1", 0) as listener:
        server = loop.run_until_complete(loop.create_server(opened, sock=listener))
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        yield listener.getsockname()[1]
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_all_lost(protocols), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Open(asyncio.Protocol):
    """A connection that tells when its socket is closed."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost.set()

    async def ended(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await self.lost.wait()


async def _all_lost(protocols: list[_Open]) -> None:
    for protocol in protocols:
        await protocol.ended()
    await asyncio.sleep(0)  # a transport closes its socket after it has told


@contextmanager
def health() -> Iterator[Port]:
    with HealthServer(ServiceSettings(metrics_port=0)) as server:
        assert server.port
        yield server.port


@contextmanager
def receiver() -> Iterator[Port]:
    with Receiver() as running:
        yield urlsplit(running.url).port or 0


@contextmanager
def extractive_ai() -> Iterator[Port]:
    with ExtractiveService() as running:
        yield urlsplit(running.url).port or 0


@contextmanager
def webhook_receiver() -> Iterator[Port]:
    with receiving(WebhookReceiver()) as running:
        yield running.port


@contextmanager
def media_server() -> Iterator[Port]:
    with MediaServer({}) as running:
        yield urlsplit(running.url("")).port or 0


SERVERS: list[Callable[[], AbstractContextManager[Port]]] = [
    shim,
    plain_asyncio,
    health,
    receiver,
    extractive_ai,
    webhook_receiver,
    media_server,
]


@pytest.mark.parametrize("server", SERVERS)
def test_what_a_server_accepts_sends_at_once(server: Callable[[], AbstractContextManager[Port]]) -> None:
    with server() as port, socket.create_connection(("127.0.0.1", port)) as client, other_end(client) as accepted:
        # some set it only in the thread that will answer
        wait_for(lambda: sends_at_once(accepted))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening_socket:
        yield listening_socket


@pytest.mark.anyio
async def test_calls_to_strangers_send_at_once(listener: socket.socket) -> None:
    stream = await direct("127.0.0.1", listener.getsockname()[1], 30, ByteBudget())
    assert sends_at_once(stream.get_extra_info("socket"))
    await stream.aclose()


@pytest.mark.anyio
async def test_calls_by_way_of_the_egress_proxy_send_at_once() -> None:
    with stranger(tunnels()) as asked, socket.create_server(("127.0.0.1", 0)) as there:
        settings = OutboundSettings(egress_proxy=SecretStr(f"http://127.0.0.1:{asked.port}"))
        proxy = Proxy.from_settings(settings, trust_of(settings))
        assert proxy is not None
        stream = await proxy.dial("127.0.0.1", there.getsockname()[1], 30, ByteBudget())
        assert sends_at_once(stream.get_extra_info("socket"))
        await stream.aclose()
        await asyncio.sleep(0)  # a turn of the loop, in which the transport lets go of its socket


def test_the_command_line_sends_at_once() -> None:
    """What `scribe` calls the shim with."""
    with served(PlainTextResponse("ok")) as port, httpx.Client(trust_env=False, timeout=90) as client:
        answer = client.get(f"http://127.0.0.1:{port}/")
        stream: httpcore.NetworkStream = answer.extensions["network_stream"]
        assert sends_at_once(stream.get_extra_info("socket"))


def test_the_database_is_asked_at_once(database: str) -> None:
    with psycopg.connect(database) as connection, socket.socket(fileno=os.dup(connection.fileno())) as same:
        assert sends_at_once(same)
