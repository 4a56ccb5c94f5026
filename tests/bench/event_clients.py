"""Whether clients that come and go hear every state once and in order: `python -m tests.bench.event_clients --clients 1000`.

Two API processes on one PostgreSQL. Each client follows all jobs of the tenant, leaves after some seconds at any byte of the
stream, and comes back a moment later to either process with the id of the last event that it had whole, while jobs come,
are worked on and end beside it. It begins where all others began, so it must hear each state of each job once, those of a
job in their order. A client that is refused because many come back at once waits as long as it is told to.

Exit code 1 when one of them heard something else, or not all of it in time.
"""

import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Annotated
from uuid import UUID, uuid4

import httpx
import psycopg
import typer
from rich.console import Console

from deploy.local import ports
from deploy.local.service import pss
from deploy.local.stack import Stack
from producers.client.protocol.event_stream import EventParser
from schemas.events import JobProgress, JobRequested, JobResult, Outcome, Stage
from schemas.settings.stores import PostgresSettings
from sink.jobs.results import StoredTranscript, apply_progress, apply_request, apply_result
from sink.postgres.database import Connection, Database
from sink.postgres.migrate import migrate
from tests.bench.repeated_posts import NAMES, Shims
from tests.bench.shim import key_of
from tests.samples import BARE_REQUEST, MODEL, TRANSCRIPT

STATES = ("queued", "transcribing", "diarizing", "completed")
STAY_SECONDS = (0.5, 12.0)
AWAY_SECONDS = (0.0, 2.0)
TURN = 10  # jobs that are worked on at once
LAST_SECONDS = 180.0  # from the last state until all have heard it
OWN_FILES = 200
BUSY = (429, 503)


@dataclass
class Client:
    """A client by what it heard: each state of a job, how late in seconds, and how often it came and was refused."""

    position: str
    heard: list[tuple[str, str]] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    visits: int = 0
    refused: int = 0

    async def follow(self, key: str, expected: int, chosen: random.Random, own_ports: list[int]) -> None:
        """Come and go until everything is heard."""
        await asyncio.sleep(chosen.uniform(*AWAY_SECONDS))
        while len(self.heard) < expected:
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
                async with asyncio.timeout(chosen.uniform(*STAY_SECONDS)):
                    await self._visit(key, expected, chosen.choice(own_ports))
            await asyncio.sleep(chosen.uniform(*AWAY_SECONDS))

    async def _visit(self, key: str, expected: int, port: int) -> None:
        reader, writer = await asyncio.open_connection(ports.HOST, port)
        try:
            # of HTTP/1.0, so that the body is the stream as it is
            head = (
                f"GET /api/v1/events HTTP/1.0\r\nHost: x\r\nX-API-Key: {key}\r\nLast-Event-ID: {self.position}\r\n\r\n"
            )
            writer.write(head.encode())
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
            self.visits += 1
            if (status := int(lines[0].split()[1])) != 200:
                await self._refused(status, lines, await reader.read(4096))
                return
            parser = EventParser(self.position)
            while len(self.heard) < expected and (piece := await reader.read(65536)):
                for event in parser.feed(piece):
                    self.position = event.event_id
                    if event.name == "state":
                        self._take(json.loads(event.data))
        finally:
            writer.transport.abort()

    async def _refused(self, status: int, lines: list[str], body: bytes) -> None:
        if status not in BUSY:
            raise RuntimeError(f"the stream was answered with {status}: {body!r}")
        self.refused += 1
        again = next((line.split(": ")[1] for line in lines if line.startswith("retry-after: ")), "1")
        await asyncio.sleep(float(again))

    def _take(self, line: dict[str, str]) -> None:
        self.heard.append((line["job_id"], line["state"]))
        self.late.append(time.time() - datetime.fromisoformat(line["at"]).timestamp())

    def mistakes(self, jobs: list[str]) -> int:
        """The number of states that were not heard, heard again, or heard before one that came before."""
        counts = Counter(self.heard)
        wanted = {(job, state) for job in jobs for state in STATES}
        missing = sum(counts[each] != 1 for each in wanted) + len(counts.keys() - wanted)
        by_job: dict[str, list[str]] = {}
        for job, state in self.heard:
            by_job.setdefault(job, []).append(state)
        return missing + sum(states != sorted(states, key=STATES.index) for states in by_job.values())


@dataclass(frozen=True)
class Work:
    """What the other processes write about jobs, as fast as asked for: states a second."""

    database: Database
    rate: float

    async def jobs(self, number: int) -> list[str]:
        """The ids of so many jobs, which went through all their states in turns of ten."""
        ids = [uuid4() for _ in range(number)]
        for first in range(0, number, TURN):
            for step in range(len(STATES)):
                for job_id in ids[first : first + TURN]:
                    await self.database.run(partial(_step, job_id=job_id, step=step))
                    await asyncio.sleep(1 / self.rate)
        return [str(job_id) for job_id in ids]


async def _step(connection: Connection, job_id: UUID, step: int) -> None:
    """The event that brings a job into its next state."""
    now = datetime.now(UTC)
    request = replace(BARE_REQUEST, job_id=job_id, requested_at=now)
    match STATES[step]:
        case "queued":
            await apply_request(connection, request)
        case "completed":
            await apply_result(connection, _result(request, now), StoredTranscript(TRANSCRIPT, "s3://x/t.json"))
        case state:
            await apply_progress(connection, _progress(request, Stage(state), step, now))


def _progress(request: JobRequested, stage: Stage, sequence: int, now: datetime) -> JobProgress:
    return JobProgress(
        event_id=uuid4(),
        job_id=request.job_id,
        run=1,
        tenant=request.tenant,
        stage=stage,
        attempt=1,
        sequence=sequence,
        done_seconds=float(sequence),
        total_seconds=9.0,
        worker="w",
        at=now,
    )


def _result(request: JobRequested, now: datetime) -> JobResult:
    return JobResult(
        event_id=uuid4(),
        job_id=request.job_id,
        run=1,
        tenant=request.tenant,
        request=request,
        outcome=Outcome.COMPLETED,
        models=(MODEL,),
        completed_at=now,
    )


@dataclass
class Costs:
    """The most that the processes took while clients followed: bytes, open files, connections to the database."""

    shims: Shims
    dsn: str
    bytes: int = 0
    files: int = 0
    connections: int = 0

    def look(self) -> None:
        """Measure now."""
        self.bytes = max(self.bytes, *(pss(identity) or 0 for identity in self.shims.running.values()))
        self.files = max(self.files, *(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self._pids()))
        with psycopg.connect(self.dsn) as connection:
            row = connection.execute("SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()")
            self.connections = max(self.connections, (row.fetchone() or (0,))[0])

    async def watch(self) -> None:
        """Measure again and again."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(2)

    def _pids(self) -> list[int]:
        return [identity.pid for identity in self.shims.running.values()]


async def beginning(shims: Shims, key: str) -> str:
    """The position of a stream that begins now, once every process answers."""
    position = ""
    async with httpx.AsyncClient(headers={"X-API-Key": key}, timeout=30, trust_env=False) as client:
        for name in NAMES:
            while True:
                with suppress(httpx.TransportError):
                    async with client.stream("GET", f"{shims.url(name)}/api/v1/events") as answer:
                        async for line in answer.aiter_lines():
                            if line.startswith("id: "):
                                position = line.removeprefix("id: ")
                                break
                    break
                await asyncio.sleep(0.2)
    return position


async def measured(
    shims: Shims, key: str, dsn: str, number: int, jobs: int, rate: float, seed: int
) -> tuple[list[Client], list[str], Costs, Costs, float]:
    """The clients after their work, the jobs, the costs before and with them, and the seconds that it took."""
    start = await beginning(shims, key)
    before, with_them = Costs(shims, dsn), Costs(shims, dsn)
    before.look()
    clients = [Client(start) for _ in range(number)]
    own_ports = list(shims.ports.values())
    begun = time.monotonic()
    watching = asyncio.create_task(with_them.watch())
    visits = [
        asyncio.create_task(client.follow(key, jobs * len(STATES), random.Random(f"{seed}/{each}"), own_ports))
        for each, client in enumerate(clients)
    ]
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": dsn})) as database:
        ids = await Work(database, rate).jobs(jobs)
    await asyncio.wait(visits, timeout=LAST_SECONDS)
    seconds = time.monotonic() - begun
    for task in [watching, *visits]:
        task.cancel()
    failed = [task.exception() for task in visits if task.done() and not task.cancelled() and task.exception()]
    await asyncio.wait([watching, *visits])
    if failed:
        raise RuntimeError(f"{len(failed)} clients ended") from failed[0]
    return clients, ids, before, with_them, seconds


def main(
    clients: Annotated[int, typer.Option(help="Clients that come and go.", min=1)] = 1000,
    jobs: Annotated[int, typer.Option(help="Jobs, of four states each.", min=1)] = 100,
    rate: Annotated[float, typer.Option(help="States a second.", min=0.1)] = 4.0,
    seed: Annotated[int, typer.Option(help="What the moments of leaving are drawn from.")] = 1,
) -> None:
    """Let clients come and go over two processes while jobs are worked on, and compare what each of them heard."""
    say = Console()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # one tenant may have a quarter of a process's connections, and chance may lead most clients to one
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4 * clients + OWN_FILES), most))
    with tempfile.TemporaryDirectory(prefix="scribe-events-") as temporary, ExitStack() as opened:
        folder = Path(temporary)
        stack = opened.enter_context(Stack(folder / "stack", durable=False, say=say))
        migrate(dsn := stack.environment()["SCRIBE_POSTGRES_DSN"])
        key = asyncio.run(key_of(dsn))
        shims = Shims(stack.environment(), folder)
        opened.callback(shims.stop)
        for name in NAMES:
            shims.start(name)
        found, ids, before, costs, seconds = asyncio.run(measured(shims, key, dsn, clients, jobs, rate, seed))
    wrong = [client for client in found if client.mistakes(ids)]
    late = quantiles([each for client in found for each in client.late], n=100)
    say.print(
        f"{clients} clients, {sum(client.visits for client in found)} connections, {sum(client.refused for client in found)}"
        f" refused and come back; {jobs * len(STATES)} states, {sum(len(client.heard) for client in found)} times heard in"
        f" {seconds:.0f} s; clients that missed one, heard one twice or out of order: {len(wrong)}\n"
        f"heard after: median {late[49]:.1f} s, p99 {late[98]:.1f} s (a client is away for up to {AWAY_SECONDS[1]:g} s);"
        f" memory of a process {before.bytes / 1e6:.0f} MB before, {costs.bytes / 1e6:.0f} MB with them;"
        f" open files {costs.files}, connections to the database of both {costs.connections}"
    )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    typer.run(main)
