"""A TCP proxy in front of PostgreSQL that counts round trips: something was asked after everything before was answered."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

Opener = tuple[str, int]


class CountingProxy:
    """Forwards to `target`; `trips` grows each time that a client speaks after the server did."""

    def __init__(self, target: Opener) -> None:
        self._target = target
        self.port = 0
        self.trips = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection to its end."""
        upstream, back = await asyncio.open_connection(*self._target)
        answered = asyncio.Event()
        answered.set()
        await asyncio.gather(self._asked(reader, back, answered), self._answers(upstream, writer, answered))

    async def _asked(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answered: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                self.trips += answered.is_set()
                answered.clear()
                sink.write(data)
        sink.close()

    async def _answers(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answered: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                answered.set()
                sink.write(data)
        sink.close()


@contextmanager
def counting(target: Opener) -> Iterator[CountingProxy]:
    """A proxy that runs in a thread until the block ends."""
    proxy, loop = CountingProxy(target), asyncio.new_event_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy.port = listener.getsockname()[1]
        server = loop.run_until_complete(asyncio.start_server(proxy.accept, sock=listener))
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield proxy
        finally:
            loop.call_soon_threadsafe(server.close)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
