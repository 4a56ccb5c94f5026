"""A way to the service that can be cut, and that ends connections after so many bytes of an answer."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from deploy.local import ports
from tests.chaos.proxies import HOST, Proxy


class CuttingProxy(Proxy):
    """Passes everything on; `cut` ends what is open, `most_bytes` ends each connection when so much came back.

    `sent_bytes` ends one of them, when so much has gone forth.
    """

    def __init__(self, port: int, target: int) -> None:
        super().__init__(port, target)
        self.most_bytes: int | None = None
        self.sent_bytes: int | None = None
        self.accepted = 0
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The address of the service by this way."""
        return f"http://{HOST}:{self.port}"

    def cut(self) -> None:
        """End the connections that are open; new ones are taken."""
        assert self._loop
        for writer in tuple(self._open):
            self._loop.call_soon_threadsafe(writer.transport.abort)

    async def _forth(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        self.accepted += 1
        self._open.add(client)
        try:
            while data := await reader.read(65536):
                upstream.write(data)
                await upstream.drain()
                if self.sent_bytes is not None:
                    self.sent_bytes -= len(data)
                    if self.sent_bytes <= 0:
                        self.sent_bytes = None
                        client.transport.abort()
                        return
        finally:
            self._open.discard(client)

    async def _back(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        passed = 0
        try:
            while data := await reader.read(65536):
                passed += len(data)
                client.write(data if self.most_bytes is None else data[: self.most_bytes])
                await client.drain()
                if self.most_bytes is not None and passed >= self.most_bytes:
                    await asyncio.sleep(0.05)  # so that it arrives before the end does
                    return
        except OSError:
            pass
        finally:
            client.transport.abort()


@contextmanager
def cutting(url: str) -> Iterator[CuttingProxy]:
    """Such a way to an address, until the end of the block."""
    proxy = CuttingProxy(ports.choose(("proxy",), {}, {})["proxy"], urlsplit(url).port or 0)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
