"""A way to the shim on which long requests get stuck or break off, and answers get lost, as on a bad connection."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from deploy.local import ports
from tests.chaos.proxies import HOST, Proxy

MOST_BYTES = 200_000


class LossyProxy(Proxy):
    """Lets MOST_BYTES of a connection pass; then it waits until `broken`, which ends it, or until `whole`.

    While `deaf` no answer comes back: the connection ends in its place.
    """

    def __init__(self, port: int, target: int) -> None:
        super().__init__(port, target)
        self.broken = False
        self.whole = False
        self.deaf = False

    @property
    def url(self) -> str:
        """The address of the shim by this way."""
        return f"http://{HOST}:{self.port}"

    async def _forth(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        passed = 0
        while data := await reader.read(16384):
            while passed > MOST_BYTES and not self.whole:
                if self.broken:
                    return
                await asyncio.sleep(0.01)
            passed += len(data)
            upstream.write(data)
            await upstream.drain()

    async def _back(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if self.deaf:
                    return
                client.write(data)
                await client.drain()
        except OSError:
            pass
        finally:
            client.transport.abort()


@contextmanager
def lossy(url: str) -> Iterator[LossyProxy]:
    """A lossy way to an address."""
    proxy = LossyProxy(ports.choose(("proxy",), {}, {})["proxy"], urlsplit(url).port or 0)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
