"""How long a new client of the REST shim waits while many others send half of a request: `python -m tests.bench.half_open`.

One API process. For each kind of half-sent request as many connections as asked for are opened and kept; then new clients come
one after the other, each on a connection of its own, and read a job. Measured from before the connection to after the answer.

Exit code 1 when one of them waited longer than a second or was not answered.
"""

import asyncio
import math
import resource
import socket
import statistics
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table

from deploy.local import ports
from deploy.local.stack import Stack
from sink.postgres.migrate import migrate
from tests.bench.shim import key_of, running
from tests.integration.hostile import HALVES

MOST_SECONDS = 1.0
PATIENCE_SECONDS = 20.0
OWN_FILES = 500


def waits(port: int, first: bytes, job: str, key: str, connections: int, clients: int) -> list[float]:
    """Seconds that each new client waits for its answer beside `connections` that sent `first`; infinite without one."""
    found = []
    with ExitStack() as halves:
        for _ in range(connections):
            half = halves.enter_context(socket.create_connection(("127.0.0.1", port)))
            with suppress(ConnectionError):
                half.sendall(first)
        for _ in range(clients):
            begun = time.monotonic()
            well = answers(f"http://127.0.0.1:{port}/api/v1/jobs/{job}", key)
            found.append(time.monotonic() - begun if well else math.inf)
    return found


def uploaded(url: str, key: str) -> str:
    """The id of a new job with a file; the first one of a process takes longer."""
    place, own = f"{url}/api/v1/transcribe/upload", {"X-API-Key": key}
    answer = httpx.post(place, headers=own, files={"file": ("a.wav", b"RIFF")}, trust_env=False, timeout=90)
    return str(answer.raise_for_status().json()["job_id"])


def answers(url: str, key: str) -> bool:
    """Whether a new client reads a job."""
    try:
        return httpx.get(url, headers={"X-API-Key": key}, trust_env=False, timeout=PATIENCE_SECONDS).is_success
    except httpx.TransportError:
        return False


def main(
    connections: Annotated[int, typer.Option(min=1, help="That send half of a request.")] = 1000,
    clients: Annotated[int, typer.Option(min=1, help="That come after them.")] = 50,
) -> None:
    """Measure each kind and print."""
    console = Console()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    table = Table(f"{connections:,} CONNECTIONS", "MEDIAN OF A NEW CLIENT", "LONGEST", box=None)
    longest = 0.0
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="half-open-")))
        stack = parts.enter_context(Stack(folder, durable=False, say=console))
        migrate(stack.postgres_dsn())
        (port,) = ports.choose(["api"], {}, {}).values()
        url, _ = parts.enter_context(running("producers.api", ["--port", str(port)], port, stack.environment()))
        # only now: the server keeps the limit of a usual process
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, connections + OWN_FILES), most))
        key = asyncio.run(key_of(stack.postgres_dsn()))
        job = uploaded(url, key)
        for name, half in HALVES.items():
            found = waits(port, half.replace(b"%(key)s", key.encode()), job, key, connections, clients)
            table.add_row(name, f"{1000 * statistics.median(found):.1f} ms", f"{1000 * max(found):.1f} ms")
            longest = max(longest, *found)
    console.print(table)
    raise typer.Exit(int(longest > MOST_SECONDS))


if __name__ == "__main__":
    typer.run(main)
