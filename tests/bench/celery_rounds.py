"""Jobs a second of a Celery worker: Redis that keeps its jobs over a restart, late acks, one commit a job."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from deploy.environment import REQUIREMENTS, ROOT
from deploy.local import ports, process
from deploy.local.component import Component
from deploy.local.errors import StackError
from deploy.local.ports import HOST
from tests.bench.gpu_rounds import rate

LEAN = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR")
PATIENCE = 300.0
LOOK_SECONDS = 0.25
TABLE = """CREATE TABLE celery_results (
    job_id uuid PRIMARY KEY, result jsonb NOT NULL, done_at timestamptz NOT NULL DEFAULT clock_timestamp())"""


def missing() -> list[str]:
    """What has to be installed first, with the commands."""
    lock = (REQUIREMENTS / "celery.txt").relative_to(ROOT)
    install = f"python3 -m pip --python {sys.executable} install --require-hashes -r {lock}"
    wanted = {
        f"Celery is not installed: {install}": find_spec("celery") and find_spec("redis"),
        "no redis-server is on the PATH: apt-get install redis-server": shutil.which("redis-server"),
    }
    return [text for text, found in wanted.items() if not found]


class Redis(Component):
    """The broker, with the append-only file that its jobs survive a crash by; written once a second, as is its default."""

    name = "redis"
    port_names = ("redis",)

    def prepare(self) -> None:
        """See Component."""
        settings = {"bind": HOST, "port": self.port, "dir": self.data, "appendonly": "yes", "save": '""'}
        (self.data / "redis.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))

    def command(self) -> Sequence[str]:
        """See Component."""
        return ["redis-server", str(self.data / "redis.conf")]


class CeleryRounds:
    """A context manager: a Redis of its own, and a table in a database that is there."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self._log = folder / "celery.log"
        self._dsn = dsn
        self._redis = Redis(folder, ports.choose(Redis.port_names, {}, {}), owned=True)

    def __enter__(self) -> Self:
        self._redis.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redis.stop()

    def per_second(self, processes: int, backlog: int) -> float:
        """Jobs a second of a worker with so many processes, once the first tenth of a backlog is done."""
        with psycopg.connect(self._dsn, autocommit=True) as database:
            database.execute("DROP TABLE IF EXISTS celery_results")
            database.execute(TABLE)
            # what the round before left to be written must not slow this one
            database.execute("CHECKPOINT")
            queue = [sys.executable, "-m", "tests.bench.celery_jobs", str(backlog)]
            subprocess.run(queue, cwd=ROOT, env={**os.environ, **self._environment()}, check=True)
            with self._worker(processes) as worker:
                self._await_rows(database, worker, backlog)
            rows = database.execute("SELECT extract(epoch FROM done_at)::float8 FROM celery_results").fetchall()
        return rate(row[0] for row in rows)

    def _environment(self) -> dict[str, str]:
        return {"CELERY_BROKER_URL": f"redis://{self._redis.address}/0", "SCRIBE_POSTGRES_DSN": self._dsn}

    @contextmanager
    def _worker(self, processes: int) -> Iterator[process.ProcessId]:
        application = ("-m", "celery", "--app", "tests.bench.celery_jobs", "worker")
        command = [sys.executable, *application, "--concurrency", str(processes), *LEAN]
        worker = process.start(command, self._log, environment=self._environment(), cwd=ROOT)
        try:
            yield worker
        finally:
            process.stop(worker, seconds=60)

    def _await_rows(self, database: psycopg.Connection[Any], worker: process.ProcessId, count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while (row := database.execute("SELECT count(*) FROM celery_results").fetchone()) is None or row[0] < count:
            if worker.process() is None or time.monotonic() > deadline:
                raise StackError(
                    f"Celery did not do all of {count} jobs; the end of its log:\n{process.tail(self._log)}"
                )
            time.sleep(LOOK_SECONDS)
