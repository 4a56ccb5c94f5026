"""Whether a request that is sent again and again is one job: `python -m tests.bench.repeated_posts --keys 1000 --posts 20`.

Two API processes on one PostgreSQL. Each Idempotency-Key is posted many times at once, half to each process, while one of
the two is killed with SIGKILL every few seconds and started again. A client sends its request again until it has an answer,
as clients do. Afterwards there must be one job for each key, and all answers to a key must be the same.

Exit code 1 when they are not.
"""

import asyncio
import random
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import httpx
import psycopg
import typer
from rich.console import Console

from deploy.local import ports
from deploy.local.process import ProcessId, kill, start
from deploy.local.stack import Stack
from sink.postgres.migrate import migrate
from tests.bench.shim import key_of

NAMES = ("one", "two")
AT_ONCE = 4  # keys whose requests are on their way
PAUSE_SECONDS = 0.2
KILL_SECONDS = (4.0, 10.0)  # a start takes two
MOST_TRIES = 600
BUSY = (429, 503)


@dataclass
class Shims:
    """API processes that are killed and started again under the same addresses."""

    environment: dict[str, str]
    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: ports.choose(NAMES, {}, {}))
    running: dict[str, ProcessId] = field(default_factory=dict)
    kills: int = 0

    def start(self, name: str) -> None:
        """Start one of them."""
        command = [sys.executable, "-m", "producers.api", "--port", str(self.ports[name])]
        self.running[name] = start(command, self.folder / f"{name}.log", environment=self.environment)

    def replace(self, name: str) -> None:
        """Kill one of them and start it again."""
        kill(self.running.pop(name))
        self.kills += 1
        self.start(name)

    def stop(self) -> None:
        """Kill all of them."""
        for identity in self.running.values():
            kill(identity)

    def url(self, name: str) -> str:
        """The address of one of them."""
        return f"http://{ports.HOST}:{self.ports[name]}"


@dataclass
class Answers:
    """The answers to each key, and how often a request was sent again."""

    bodies: dict[int, set[str]] = field(default_factory=dict)
    answered: int = 0
    again: int = 0

    async def post(self, client: httpx.AsyncClient, url: str, number: int) -> None:
        """Send a request until it is answered; raises RuntimeError for an answer that no client expects."""
        headers = {"Idempotency-Key": f"key-{number}"}
        body = {"url": f"https://media.example/{number}.opus", "language": "he"}
        for _ in range(MOST_TRIES):
            try:
                answer = await client.post(f"{url}/api/v1/transcribe", json=body, headers=headers)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 202:
                self.bodies.setdefault(number, set()).add(answer.text)
                self.answered += 1
                return
            if answer is not None and answer.status_code not in BUSY:
                raise RuntimeError(f"{answer.status_code}: {answer.text}")
            self.again += 1
            await asyncio.sleep(PAUSE_SECONDS)
        raise RuntimeError(f"key {number} got no answer")


async def post_all(shims: Shims, key: str, keys: int, posts: int, chosen: random.Random) -> Answers:
    """Post every key so many times at once while processes are killed."""
    answers, turns = Answers(), asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=AT_ONCE * posts)
    async with httpx.AsyncClient(headers={"X-API-Key": key}, timeout=30, trust_env=False, limits=limits) as client:

        async def one(number: int) -> None:
            async with turns, asyncio.TaskGroup() as group:
                for each in range(posts):
                    group.create_task(answers.post(client, shims.url(NAMES[each % len(NAMES)]), number))

        async def disturb() -> None:
            while True:
                await asyncio.sleep(chosen.uniform(*KILL_SECONDS))
                await asyncio.to_thread(partial(shims.replace, chosen.choice(NAMES)))

        killer = asyncio.create_task(disturb())
        async with asyncio.TaskGroup() as group:
            for number in range(keys):
                group.create_task(one(number))
        killer.cancel()
        await asyncio.wait([killer])
    return answers


def count(dsn: str) -> tuple[int, int]:
    """Jobs and their outbox rows."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM outbox)").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def main(
    keys: Annotated[int, typer.Option(help="Idempotency keys.", min=1)] = 1000,
    posts: Annotated[int, typer.Option(help="Posts of each key at once.", min=2)] = 20,
    seed: Annotated[int, typer.Option(help="What the moments of kills are drawn from.")] = 1,
) -> None:
    """Post every key many times at once over two processes that are killed, and count the jobs."""
    say, chosen = Console(), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="scribe-posts-") as temporary, ExitStack() as opened:
        folder = Path(temporary)
        stack = opened.enter_context(Stack(folder / "stack", durable=False, say=say))
        environment = stack.environment()
        migrate(dsn := environment["SCRIBE_POSTGRES_DSN"])
        key = asyncio.run(key_of(dsn))
        shims = Shims(environment, folder)
        opened.callback(shims.stop)
        for name in NAMES:
            shims.start(name)
        answers = asyncio.run(post_all(shims, key, keys, posts, chosen))
        jobs, records = count(dsn)
    different = sum(len(bodies) != 1 for bodies in answers.bodies.values())
    say.print(
        f"{keys} keys, {answers.answered} answers, {answers.again} requests sent again, {shims.kills} kills:"
        f" {jobs} jobs, {records} records, {different} keys with answers that differ"
    )
    well = (jobs, records, different, answers.answered) == (keys, keys, 0, keys * posts)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    typer.run(main)
