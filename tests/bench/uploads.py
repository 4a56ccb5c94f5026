"""What an upload of 2 GB costs `scribe-api` in memory: `python -m tests.bench.uploads`.

One API process on PostgreSQL and an S3 server of this machine takes the same number of bytes in a form, in pieces by tus
(each one request of 64 MB), and by tus in one request; before that, 1 KB of each, so that what is loaded at first use is not
counted. The figure is the highest resident memory during an upload (VmHWM, which Linux lets us reset) less that before it.

Exit code 1 when one is above 64 MB.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from deploy.local import ports
from deploy.local.stack import Stack
from sink.postgres.migrate import migrate
from tests.bench.shim import key_of, running

MOST_BYTES = 64 * 1024 * 1024
WARM_BYTES = 1000
PIECE_BYTES = 64 * 1024 * 1024
CHUNK = bytes(1024 * 1024)
MB = 1024 * 1024
PIECE = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


def content(size: int) -> Iterator[bytes]:
    """So many bytes, none of which this process keeps."""
    for at in range(0, size, len(CHUNK)):
        yield CHUNK[: size - at]


def in_form(client: httpx.Client, size: int) -> None:
    """Send them in a form."""

    def body() -> Iterator[bytes]:
        yield HEAD
        yield from content(size)
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    client.post("/api/v1/transcribe/upload", content=body(), headers=headers).raise_for_status()


def in_pieces(client: httpx.Client, size: int, most: int = PIECE_BYTES) -> None:
    """Send them by tus, and make a job of them."""
    begun = client.post("/api/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(size)})
    path, upload_id = begun.raise_for_status().headers["location"], begun.json()["upload_id"]
    for at in range(0, size, most):
        body = content(min(most, size - at))
        client.patch(path, content=body, headers={**PIECE, "Upload-Offset": str(at)}).raise_for_status()
    client.post("/api/v1/transcribe", json={"upload_id": upload_id}).raise_for_status()


def in_one_piece(client: httpx.Client, size: int) -> None:
    """The same in one request."""
    in_pieces(client, size, size)


WAYS: dict[str, Callable[[httpx.Client, int], None]] = {
    "in a form": in_form,
    "in pieces of 64 MB": in_pieces,
    "in one piece": in_one_piece,
}


def raised(pid: int, work: Callable[[], None]) -> int:
    """The bytes by which the highest resident memory of a process during the work is above that before it."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = memory(pid, "VmRSS")
    work()
    return memory(pid, "VmHWM") - before


def memory(pid: int, name: str) -> int:
    """A line of a process's memory, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1024


def measure(environment: Mapping[str, str], size: int, warm: int = WARM_BYTES) -> dict[str, tuple[int, float]]:
    """For each way the bytes by which the process grew, and the seconds that it took."""
    settings = {**environment, "SCRIBE_UPLOAD_MAX_BYTES": str(max(size, warm))}
    port = ports.choose(["api"], {}, {})["api"]
    found = {}
    with running("producers.api", ["--port", str(port)], port, settings) as (url, process):
        key = asyncio.run(key_of(settings["SCRIBE_POSTGRES_DSN"]))
        with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=600, trust_env=False) as client:
            for send in WAYS.values():
                send(client, warm)
            for name, send in WAYS.items():
                began = time.monotonic()
                found[name] = (raised(process.pid, partial(send, client, size)), time.monotonic() - began)
    return found


def main(size: Annotated[int, typer.Option(help="Bytes of an upload.", min=1)] = 2_000_000_000) -> None:
    """Print by how many MB the process grew during an upload of each kind."""
    say = Console()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="scribe-uploads-")))
        stack = opened.enter_context(Stack(folder / "stack", durable=False, say=say))
        environment = stack.environment()
        migrate(environment["SCRIBE_POSTGRES_DSN"])
        found = measure(environment, size)
    for name, (grown, seconds) in found.items():
        say.print(f"{name}: {grown / MB:.1f} MB more, {seconds:.0f} s")
    raise typer.Exit(1 if any(grown > MOST_BYTES for grown, _ in found.values()) else 0)


if __name__ == "__main__":
    typer.run(main)
