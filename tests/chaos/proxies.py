"""What stands between the service and its broker and object store in a run, and breaks connections as it is told."""

import asyncio
import contextlib
import struct
import threading
from collections import Counter

from sink.process.cancellation import cancel_until_done

HOST = "127.0.0.1"
API_KEYS = {
    "Produce": 0,
    "Fetch": 1,
    "AddPartitionsToTxn": 24,
    "AddOffsetsToTxn": 25,
    "EndTxn": 26,
    "TxnOffsetCommit": 28,
    "ConsumerGroupHeartbeat": 68,
}
"""Requests of Kafka by the key that begins their header (Kafka protocol guide)."""
_BUSY = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Proxy:
    """Forwards connections from `port` to `target` (a port) in a thread of its own."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        """Listen; returns when it does."""
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        """End all connections, and listen no more."""
        if self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(5)

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._taken, HOST, self.port, backlog=256)
        self._ready.set()
        await self._stopped.wait()
        server.close()
        await cancel_until_done(*self._tasks)

    def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._accept(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, back = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        answers = asyncio.create_task(self._back(upstream, writer))
        try:
            await self._forth(reader, back, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (writer, back):
                end.transport.abort()
            await cancel_until_done(answers)

    async def _forth(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        """Requests, until the client is gone."""
        raise NotImplementedError

    async def _back(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    client.write(data)
                    await client.drain()
        finally:
            client.transport.abort()


class KafkaProxy(Proxy):
    """The broker's advertised address; knows which request it forwards."""

    def __init__(self, port: int, target: int) -> None:
        super().__init__(port, target)
        self._orders: dict[int, bool] = {}
        self.cuts: Counter[str] = Counter()

    def cut(self, request: str, *, forwarded: bool) -> None:
        """End the connection of the next such request: before it is forwarded, or in place of its answer."""
        self._orders[API_KEYS[request]] = forwarded

    async def _forth(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while True:
            size = await reader.readexactly(4)
            body = await reader.readexactly(struct.unpack(">i", size)[0])
            key = struct.unpack_from(">h", body)[0]
            order = self._orders.pop(key, None)
            if order is not None:
                self.cuts[f"{'after' if order else 'before'} {_NAMES[key]}"] += 1
            if order is False:
                return
            if order is True:
                # the answer must not get through
                client.transport.abort()
            upstream.write(size + body)
            await upstream.drain()
            if order is True:
                await asyncio.sleep(0.5)  # the broker reads what it was sent before the connection is reset
                return


_NAMES = {key: name for name, key in API_KEYS.items()}


class StoreProxy(Proxy):
    """The object store's address; may be busy or slow."""

    busy = False
    slow = False

    async def _forth(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if self.busy:
                client.write(_BUSY)
                await client.drain()
                return
            if self.slow:
                await asyncio.sleep(0.7)
            upstream.write(data)
            await upstream.drain()
