"""A proxy that pools transactions, in small: clients share few server connections, which change hands at each transaction's end.

It knows no prepared statements, as most proxies of its kind did for long.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg

_SYNC, _QUERY, _TERMINATE, _READY, _IDLE = b"S", b"Q", b"X", b"Z", b"I"


@dataclass
class _Server:
    """A connection to the real server, past its authentication."""

    connection: psycopg.Connection
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class PoolingProxy:
    """Listens on `port`; `handed_over` counts how often a server connection went to another client than before."""

    def __init__(self, dsn: str, size: int) -> None:
        self._dsn = dsn
        self._size = size
        self._free: asyncio.Queue[_Server] = asyncio.Queue()
        self._last: dict[int, int] = {}
        self.handed_over = 0
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["PoolingProxy"]:
        """Until the block ends."""
        servers = [await self._connect() for _ in range(self._size)]
        for server in servers:
            self._free.put_nowait(server)
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        async with listener:
            yield self
        for server in servers:
            server.writer.close()
            with contextlib.suppress(OSError):
                await server.writer.wait_closed()
            server.connection.close()

    async def _connect(self) -> _Server:
        connection = psycopg.connect(self._dsn, autocommit=True)  # before anything is served
        # libpq has done the authentication; from here its socket is ours
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=os.dup(connection.fileno())))
        return _Server(connection, reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await _greet(reader, writer)
            while True:
                first = await _message(reader)
                if first[:1] == _TERMINATE:
                    break
                await self._transaction(first, reader, writer)
        writer.close()

    async def _transaction(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = await self._free.get()
        self.handed_over += self._last.get(id(server)) not in (None, id(writer))
        self._last[id(server)] = id(writer)
        message = first
        while True:
            server.writer.write(message)
            if message[:1] in (_SYNC, _QUERY) and await _answer(server.reader, writer) == _IDLE:
                break
            message = await _message(reader)
        self._free.put_nowait(server)


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let the client in as a trusted one; what asks for encryption first is told that there is none."""
    while (code := (await _startup(reader))) != 196608:
        if code not in (80877103, 80877104):
            raise ConnectionError
        writer.write(b"N")
    writer.write(_frame(b"R", struct.pack("!i", 0)))
    for name, value in (("server_version", "18.0"), ("client_encoding", "UTF8"), ("standard_conforming_strings", "on")):
        writer.write(_frame(b"S", f"{name}\0{value}\0".encode()))
    writer.write(_frame(_READY, _IDLE))


async def _startup(reader: asyncio.StreamReader) -> int:
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    body = await reader.readexactly(length - 4)
    return int(struct.unpack("!i", body[:4])[0])


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Hand all on that the server says until it is ready; returns its transaction status."""
    while True:
        message = await _message(reader)
        writer.write(message)
        if message[:1] == _READY:
            return message[5:6]


def _frame(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
