"""A TCP proxy in front of a real server that can be cut and mended, so that outages need no restart of the server."""

import asyncio
import contextlib
import socket
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

Opener = tuple[str, int] | str  # host and port, or the path of a Unix socket


class BreakableProxy:
    """Forwards connections to `target`; `cut` resets them and refuses new ones, `mend` takes them again."""

    def __init__(self, target: Opener) -> None:
        self._target = target
        self._holder = socket.socket()
        weakref.finalize(self, self._holder.close)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def mend(self) -> None:
        """Listen, on the same port as before: it is held meanwhile, so that nobody else takes it."""
        if not self.port:
            self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._holder.bind(("127.0.0.1", 0))
            self.port = self._holder.getsockname()[1]
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, reuse_port=True)

    async def cut(self) -> None:
        """Refuse new connections and end those that are open."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)  # from the first moment, else a cut would wait for what it did not end
        try:
            upstream, back = await self._opened()
        except OSError:  # the server is away too
            self._writers.discard(writer)
            writer.transport.abort()
            return
        both = {writer, back}
        self._writers |= both
        await asyncio.gather(_pump(reader, back), _pump(upstream, writer))
        self._writers -= both
        for end in both:
            with contextlib.suppress(OSError):
                await end.wait_closed()

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, str):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection(*self._target)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def breakable(target: Opener) -> AsyncIterator[BreakableProxy]:
    """A proxy that listens until the block ends."""
    proxy = BreakableProxy(target)
    await proxy.mend()
    try:
        yield proxy
    finally:
        await proxy.cut()
