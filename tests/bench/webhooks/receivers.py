"""All receivers as one server of their own process, which logs every call before it answers.

python -m tests.bench.webhooks.receivers PLAN LOG
"""

import asyncio
import os
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from sink.process.cancellation import set_within
from sink.webhooks.signature import ID, TIMESTAMP, format_secret
from tests.bench.webhooks.plan import Kind, Plan, Reply

PATIENCE_SECONDS = 60.0  # longer than any dispatcher waits
DRIP_SECONDS = 0.2
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


@dataclass(frozen=True, slots=True)
class Call:
    """One call as its receiver saw it: when (unix seconds), what it was answered, and whether its signature held."""

    at: float
    endpoint: int
    webhook_id: str
    signed_at: int
    kind: Kind
    status: int | None
    verified: bool
    job_id: str

    def line(self) -> bytes:
        """As it stands in the log."""
        words = (
            f"{self.at:.6f}",
            self.endpoint,
            self.webhook_id,
            self.signed_at,
            self.kind,
            self.status or 0,
            int(self.verified),
        )
        return ("\t".join(map(str, (*words, self.job_id))) + "\n").encode()

    @classmethod
    def parse(cls, line: str) -> "Call":
        """The reverse of `line`."""
        at, endpoint, webhook_id, signed_at, kind, status, verified, job_id = line.rstrip("\n").split("\t")
        answered = int(status) or None
        return cls(float(at), int(endpoint), webhook_id, int(signed_at), Kind(kind), answered, verified == "1", job_id)


def read_calls(log: Path) -> list[Call]:
    """The log, oldest first."""
    with log.open() as lines:
        return [Call.parse(line) for line in lines]


class Receivers:
    """Answers by plan; one write a call into the log, before the first byte of the answer."""

    def __init__(self, plan: Plan, log: Path) -> None:
        self._plan = plan
        self._webhooks = [Webhook(format_secret(plan.secret(number))) for number in range(plan.endpoints)]
        self._calls: Counter[str] = Counter()
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._stopped = asyncio.Event()
        self._open = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve until the context ends."""
        async with await asyncio.start_server(self._take, "127.0.0.1", self._plan.port, backlog=1024):
            yield
            self._stopped.set()
            while self._open:
                await asyncio.sleep(0.01)
        os.close(self._log)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request, *lines = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            await self._answer(writer, self._logged(int(request.split(" ")[1].lstrip("/")), headers, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # its sender was killed; what was not read whole was not received
        finally:
            self._open -= 1
            writer.close()

    def _logged(self, endpoint: int, headers: dict[str, str], body: bytes) -> Reply:
        webhook_id = headers.get(ID, "")
        message = self._plan.known.get(webhook_id)
        number = self._calls[webhook_id]
        self._calls[webhook_id] += 1
        reply = Reply(Kind.TAKEN, 200) if message is None else self._plan.reply(message, number)
        try:
            job_id, verified = str(self._webhooks[endpoint].verify(body, headers)["data"]["job_id"]), True
        except (WebhookVerificationError, ValueError, KeyError):
            job_id, verified = "", False
        signed_at = int(headers.get(TIMESTAMP, 0))
        call = Call(time.time(), endpoint, webhook_id, signed_at, reply.kind, reply.status, verified, job_id)
        os.write(self._log, call.line())
        return reply

    async def _answer(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        match reply.kind:
            case Kind.RESET:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
                writer.transport.abort()
            case Kind.TIMEOUT:
                await self._pause(PATIENCE_SECONDS)
            case Kind.DRIP:
                for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"x" * 300:
                    if self._stopped.is_set():
                        return
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await self._pause(DRIP_SECONDS)
            case _:
                asked = f"retry-after: {reply.retry_after}\r\n" if reply.retry_after else ""
                writer.write(f"HTTP/1.1 {reply.status} .\r\n{asked}content-length: 0\r\n\r\n".encode())
                await writer.drain()

    async def _pause(self, seconds: float) -> None:
        await set_within(self._stopped, seconds)


async def serve(plan: Plan, log: Path) -> None:
    """Serve until the process is ended."""
    async with Receivers(plan, log).listening():
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Plan.read(Path(sys.argv[1])), Path(sys.argv[2])))
