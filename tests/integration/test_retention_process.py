"""The process that deletes what is over: one works, the next takes over, erasures are done as they are asked for."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from deploy.local.stack import Stack
from sink.objects.s3 import S3ObjectStore
from tests.integration.commands import Run
from tests.integration.faust_process import until
from tests.sink.bulk import Bulk, fill, objects

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(stack: Stack, database: str, object_store: S3ObjectStore, tmp_path: Path) -> Iterator[Start]:
    values = {**stack.environment(), "SCRIBE_POSTGRES_DSN": database, "SCRIBE_S3_BUCKET": object_store.bucket}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCRIBE_")}
    log = tmp_path / "retention.log"
    with ExitStack() as running, log.open("wb") as out:

        def started() -> "subprocess.Popen[bytes]":
            command = [sys.executable, "-m", "streams", "retention"]
            process = running.enter_context(subprocess.Popen(command, env={**clean, **values}, stdout=out, stderr=out))
            running.callback(process.kill)
            return process

        yield started


def leads(database: str) -> bool:
    """Whether some session has the lock of whoever deletes."""
    query = (
        "SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database()"
        " AND l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND l.granted"
    )
    with psycopg.connect(database) as connection:
        return connection.execute(query).fetchone() is not None


def is_done(database: str, job_id: UUID) -> bool:
    with psycopg.connect(database) as connection:
        query = "SELECT FROM erasures WHERE job_id = %s AND done_at IS NOT NULL"
        return connection.execute(query, [job_id]).fetchone() is not None


def test_erasures_are_done_when_asked_for_and_another_process_takes_over(
    database: str, object_store: S3ObjectStore, start: Start, run_here: Run
) -> None:
    bulk: Bulk = fill(database, object_store, 2, datetime.now(UTC))
    first = start()
    until("one leads", lambda: leads(database))
    second = start()
    for number, job_id in enumerate(bulk.job_ids):
        erased = run_here("erase", str(job_id), "--tenant", "acme", SCRIBE_POSTGRES_DSN=database)
        assert erased.returncode == 0, erased.stderr
        # a look that nobody announced would come after 30 s
        until("it is done", partial(is_done, database, job_id), seconds=20)
        if number == 0:
            first.send_signal(signal.SIGTERM)
            assert first.wait(60) == 0
            until("the other one leads", lambda: leads(database))
    assert objects(object_store, bulk) == []
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
