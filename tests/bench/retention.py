"""Expired jobs with rows in every table and objects in the store, swept by a process that is killed again and again.

python -m tests.bench.retention --jobs 10000 --kills 20
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from deploy.local.stack import Stack
from schemas.settings.stores import ObjectStoreSettings
from sink.objects.s3 import S3ObjectStore
from sink.postgres.migrate import migrate
from tests.sink.bulk import Bulk, digest, fill, objects, traces

PATIENCE_SECONDS = 1800.0
STOOD_ASIDE = b"another process sweeps"  # the database may not have noticed yet that the killed one is gone


@dataclass(frozen=True)
class Report:
    """What is left of expired jobs, and what was lost of the others."""

    jobs: int
    made: int
    kills: int
    seconds: float
    rows_left: int
    objects_left: int
    changed: list[str]

    @property
    def broken(self) -> list[str]:
        """The promises that did not hold."""
        left = {"no row or payload is left": not self.rows_left, "no object is left": not self.objects_left}
        return [words for words, kept in left.items() if not kept] + [f"{name} is untouched" for name in self.changed]


def run(dsn: str, store: S3ObjectStore, environment: dict[str, str], jobs: int, kills: int, log: Path) -> Report:
    """Fill, sweep and kill, and look what is left."""
    now = datetime.now(UTC)
    expired = fill(dsn, store, jobs, now - timedelta(days=400))
    kept = {
        "a young job": fill(dsn, store, max(10, jobs // 100), now),
        "another tenant's young job": fill(dsn, store, 10, now, tenant="globex"),
        "a tenant on hold": fill(dsn, store, max(10, jobs // 100), now - timedelta(days=400), tenant="held"),
    }
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO legal_holds (tenant, reason) VALUES ('held', 'case 17')")
    before = {name: _state(dsn, store, bulk) for name, bulk in kept.items()}
    began = time.monotonic()
    killed = _swept(environment, kills, jobs, log)
    return Report(
        jobs=jobs,
        made=len(expired.keys()),
        kills=killed,
        seconds=time.monotonic() - began,
        rows_left=sum(traces(dsn, expired).values()),
        objects_left=len(objects(store, expired)),
        changed=[name for name, bulk in kept.items() if _state(dsn, store, bulk) != before[name]],
    )


def _swept(environment: dict[str, str], kills: int, jobs: int, log: Path) -> int:
    """One sweep begun as often as it takes; how often it was killed in the middle."""
    killed, chance = 0, random.Random(17)
    deadline = time.monotonic() + PATIENCE_SECONDS
    command = [sys.executable, "-m", "streams", "retention", "--once"]
    while time.monotonic() < deadline:
        with log.open("ab") as out:
            begun = out.tell()
            process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
        try:
            # its start takes a second or two; the more there is to do, the longer each life
            life = chance.uniform(1.0, 2.5 + jobs / 3000) if killed < kills else PATIENCE_SECONDS
            if process.wait(life) == 0 and killed >= kills and STOOD_ASIDE not in log.read_bytes()[begun:]:
                return killed
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    raise TimeoutError(f"the sweep did not end; see {log}")


def _state(dsn: str, store: S3ObjectStore, bulk: Bulk) -> tuple[dict[str, str], list[str]]:
    return digest(dsn, bulk), objects(store, bulk)


def environment_of(stack: Stack, dsn: str, bucket: str) -> dict[str, str]:
    """What the process finds."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCRIBE_")}
    return {**clean, **stack.environment(), "SCRIBE_POSTGRES_DSN": dsn, "SCRIBE_S3_BUCKET": bucket}


def main(jobs: Annotated[int, typer.Option(min=1)] = 10_000, kills: Annotated[int, typer.Option(min=0)] = 20) -> None:
    """Print what is left; exit code 1 when anything is, or anything else was touched."""
    with tempfile.TemporaryDirectory(prefix="retention-") as folder, Stack(Path(folder) / "stack") as stack:
        dsn = stack.postgres_dsn("scribe")
        migrate(dsn)
        environment = environment_of(stack, dsn, "scribe")
        store = S3ObjectStore(
            ObjectStoreSettings.model_validate(
                {
                    "s3_endpoint": stack.s3_endpoint,
                    "s3_access_key": stack.s3_access_key,
                    "s3_secret_key": stack.s3_secret_key,
                }
            )
        )
        report = run(dsn, store, environment, jobs, kills, Path(folder) / "retention.log")
    table = Table("EXPIRED JOBS", "OBJECTS", "KILLED", "SECONDS", "ROWS LEFT", "OBJECTS LEFT")
    table.add_row(
        *map(str, (report.jobs, report.made, report.kills, round(report.seconds), report.rows_left)),
        str(report.objects_left),
    )
    Console().print(table)
    for words in report.broken:
        Console().print(f"[red]not kept: {words}")
    raise typer.Exit(1 if report.broken else 0)


if __name__ == "__main__":
    typer.run(main)
