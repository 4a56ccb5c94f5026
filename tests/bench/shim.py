"""What the REST shim costs beside a bare FastAPI handler that reads and writes the same rows: `python -m tests.bench.shim`.

Both are one process, with uvloop and httptools, on one PostgreSQL and with pools of the same size; a load of 16 kept
connections goes to one and the other in turns. The bare handler (tests.bench.bare_shim) reads one row, or inserts three in a
transaction; the shim checks key and policy besides, acts under row security, and answers with the whole job. Where Celery and
Redis are installed, what a bare handler needs to hand a task to Celery is measured beside them.

`OF CPU` compares what the two processes spent on a request, which a busy machine changes less than requests a second.

Exit code 1 when a ratio is below what is wanted; 3 when all is well but Celery was left out.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer
from rich.console import Console
from rich.table import Table

from deploy.environment import ROOT
from deploy.local import ports
from deploy.local.postgres import Postgres
from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database
from sink.postgres.migrate import migrate
from sink.tenants.api_keys import create_key
from tests.bench import celery_rounds, http_load
from tests.bench.http_load import Load, Rate

WANTED = {"/livez": 0.6, "GET a job": 0.5, "POST a job": 0.4}
OF_LIVEZ = {"GET a job": 800 / 8312, "POST a job": 300 / 8312}
"""Least requests a second, as shares of what `/livez` of the bare handler makes: 800 and 300 where that makes 8,312 (4,800 by h11)."""
BODY = '{"url": "https://media.example/calls/17.opus", "language": "he"}'
JSON = {"content-type": "application/json"}
MISSED, LEFT_OUT = 1, 3
PATIENCE = 120.0


@contextmanager
def running(
    module: str, arguments: list[str], port: int, environment: Mapping[str, str]
) -> Iterator[tuple[str, psutil.Process]]:
    """A server process that answers on `port`; its address, and itself."""
    command = [sys.executable, "-m", module, *arguments]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stderr=log)
        try:
            url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
            while not _answers(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"{module} does not answer:\n{log.read().decode()}")
                time.sleep(0.1)
            yield url, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def migrated(folder: Path, fsync: bool) -> Iterator[tuple[Postgres, dict[str, str]]]:
    """A PostgreSQL with the tables, and what a shim has to know; `fsync`: it waits for the disk at each commit."""
    folder.chmod(0o755)
    postgres = Postgres(folder, ports.choose(Postgres.port_names, {}, {}), "bench", owned=True, durable=fsync)
    postgres.start()
    try:
        migrate(postgres.dsn())
        environment = {"SCRIBE_POSTGRES_DSN": postgres.dsn(), "SCRIBE_S3_ENDPOINT": "http://127.0.0.1:9"}
        yield postgres, environment | {"SCRIBE_S3_ACCESS_KEY": "none", "SCRIBE_S3_SECRET_KEY": "none"}
    finally:
        postgres.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", trust_env=False, timeout=90).status_code == 200
    except httpx.TransportError:
        return False


def submitted(shim: str, key: str) -> str:
    """The id of a new job."""
    headers = {"X-API-Key": key, **JSON}
    answer = httpx.post(f"{shim}/api/v1/transcribe", content=BODY, headers=headers, trust_env=False, timeout=90)
    return str(answer.raise_for_status().json()["job_id"])


async def key_of(dsn: str) -> str:
    """A new API key of a tenant."""
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": dsn})) as database:
        return await create_key(database, "acme")


def loads(bare: str, shim: str, key: str, celery: bool) -> dict[str, tuple[Load, Load]]:
    """What is sent to the bare handler and to the shim, by name; Celery's stands where the bare handler's does."""
    own = {"X-API-Key": key}
    job = submitted(shim, key)
    post = Load(f"{shim}/api/v1/transcribe", "POST", {**own, **JSON}, BODY)
    found = {
        "/livez": (Load(f"{bare}/livez"), Load(f"{shim}/livez")),
        "GET a job": (Load(f"{bare}/jobs/{job}"), Load(f"{shim}/api/v1/jobs/{job}", headers=own)),
        "POST a job": (Load(f"{bare}/transcribe", "POST", JSON, BODY), post),
    }
    return {**found, "POST, against Celery": (Load(f"{bare}/celery", "POST", JSON, BODY), post)} if celery else found


def in_turns(
    pairs: Mapping[str, tuple[Load, Load]], servers: tuple[psutil.Process, psutil.Process], rounds: int, seconds: float
) -> dict[str, list[tuple[Rate, Rate]]]:
    """Rates of both, by name, one after the other; who begins alternates."""
    found: dict[str, list[tuple[Rate, Rate]]] = {name: [] for name in pairs}
    for turn in range(rounds):
        for name, both in pairs.items():
            order = (0, 1) if turn % 2 == 0 else (1, 0)
            rates = {side: http_load.measure(both[side], seconds, servers[side]) for side in order}
            found[name].append((rates[0], rates[1]))
    return found


def table_of(found: Mapping[str, list[tuple[Rate, Rate]]]) -> Table:
    """Medians over the rounds."""
    table = Table(
        "", "BARE, A SECOND", "MEDIAN", "SHIM, A SECOND", "MEDIAN", "RATIO", "OF CPU", "LOWEST TO HIGHEST", "WANTED"
    )
    for name, pairs in found.items():
        (per_bare, bare_ms), (per_shim, shim_ms) = (_middle([pair[side] for pair in pairs]) for side in (0, 1))
        ratios = _ratios(pairs)
        table.add_row(
            name,
            *(f"{per_bare:.0f}", f"{bare_ms:.1f} ms", f"{per_shim:.0f}", f"{shim_ms:.1f} ms"),
            f"{statistics.median(ratios):.2f}",
            f"{statistics.median(bare.cpu_ms / shim.cpu_ms for bare, shim in pairs):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            f"{WANTED[name]:g}" if name in WANTED else "",
        )
    return table


def _middle(rates: list[Rate]) -> tuple[float, float]:
    return statistics.median(rate.per_second for rate in rates), statistics.median(rate.median_ms for rate in rates)


def _ratios(pairs: list[tuple[Rate, Rate]]) -> list[float]:
    return [shim.per_second / bare.per_second for bare, shim in pairs]


def verdict(found: Mapping[str, list[tuple[Rate, Rate]]], absent: list[str]) -> tuple[list[str], int]:
    """What follows, in lines, and the exit code; `absent` says why there is nothing of Celery."""
    lines = [
        f"{name}: below {WANTED[name]:g}" for name in WANTED if statistics.median(_ratios(found[name])) < WANTED[name]
    ]
    livez = statistics.median(bare.per_second for bare, _ in found["/livez"])
    for name, share in OF_LIVEZ.items():
        if (rate := statistics.median(own.per_second for _, own in found[name])) < share * livez:
            lines.append(f"{name}: {rate:.0f} a second, {share * livez:.0f} wanted beside a bare /livez of {livez:.0f}")
    lines += [f"{name}: not every request ended well" for name, pairs in found.items() if not _all_well(pairs)]
    missed = bool(lines)
    lines += [f"the comparison with Celery was left out: {reason}" for reason in absent]
    return lines, MISSED if missed else LEFT_OUT if absent else 0


def _all_well(pairs: list[tuple[Rate, Rate]]) -> bool:
    return all(rate.well for pair in pairs for rate in pair)


def main(
    seconds: Annotated[float, typer.Option(help="Of each turn.")] = 5.0,
    rounds: Annotated[int, typer.Option(help="In turns.")] = 3,
    fsync: Annotated[bool, typer.Option(help="Whether PostgreSQL waits for the disk at each commit.")] = False,
) -> None:
    """Measure and print."""
    console, absent = Console(width=140), celery_rounds.missing()
    if reason := http_load.missing():
        console.print(reason)
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="shim-")))
        postgres, environment = parts.enter_context(migrated(folder, fsync))
        if not absent:
            redis = celery_rounds.Redis(folder, ports.choose(celery_rounds.Redis.port_names, {}, {}), owned=True)
            redis.start()
            parts.callback(redis.stop)
            environment["CELERY_BROKER_URL"] = f"redis://{redis.address}/0"
        chosen = ports.choose(["bare", "shim"], {}, {})
        bare, bare_process = parts.enter_context(
            running("tests.bench.bare_shim", [str(chosen["bare"])], chosen["bare"], environment)
        )
        shim, shim_process = parts.enter_context(
            running("producers.api", ["--port", str(chosen["shim"])], chosen["shim"], environment)
        )
        pairs = loads(bare, shim, asyncio.run(key_of(postgres.dsn())), celery=not absent)
        found = in_turns(pairs, (bare_process, shim_process), rounds, seconds)
    console.print(table_of(found))
    lines, code = verdict(found, absent)
    console.print(*lines, sep="\n", soft_wrap=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)
