"""What a page of a tenant's jobs costs among many, and what its indexes cost whoever writes: `python -m tests.bench.job_list`.

Two tenants have the same number of jobs, one in a thousand of them failed. Pages are those of GET /api/v1/jobs. Then jobs go
through their states, as the persist app writes them, with the indexes of the lists and with those of before, in turns.
"""

import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from deploy.local import ports
from deploy.local.postgres import Postgres
from schemas.settings.stores import PostgresSettings
from sink.jobs.listing import JobFilter, list_jobs
from sink.jobs.queries import JobRow
from sink.postgres.database import Database
from sink.postgres.migrate import migrate

ROUNDS, BATCH, PAGE = 20, 2000, 51
FILL = """
INSERT INTO jobs (job_id, tenant, recording_id, state, request, requested_at)
SELECT gen_random_uuid(), CASE WHEN n %% 2 = 0 THEN 'acme' ELSE 'globex' END, 'r' || n / 20,
    CASE WHEN n %% 1000 < 2 THEN 'failed' ELSE 'completed' END,
    '{"source": {"uri": "upload://1", "name": "call.opus"}, "options": {"model": null}, "metadata": {"crm": "42"}}',
    now() - n * interval '1 second'
FROM generate_series(%s::integer, %s::integer) AS n"""
NEW = {
    "jobs_newest": "(tenant, requested_at, job_id)",
    "jobs_newest_by_state": "(tenant, state, requested_at, job_id)",
    "jobs_newest_by_recording": "(tenant, recording_id, requested_at, job_id) WHERE recording_id IS NOT NULL",
}
OLD = {
    "jobs_by_tenant": "(tenant, requested_at DESC, job_id)",
    "jobs_by_recording": "(tenant, recording_id) WHERE recording_id IS NOT NULL",
}


async def cost_of_pages(dsn: str, jobs: int) -> list[tuple[str, float]]:
    """Median milliseconds of each page, as a tenant's request asks for it."""
    everything = JobFilter(tenant="acme")
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": dsn})) as database:

        async def page(wanted: JobFilter, limit: int = PAGE) -> list[JobRow]:
            async with database.as_tenant("acme") as connection:
                return await list_jobs(connection, wanted, limit)

        newest = (await page(everything))[-1]
        middle = newest.requested_at - timedelta(seconds=jobs // 2), newest.job_id
        ids = uuid.UUID(newest.job_id.hex[:6].ljust(32, "0")), uuid.UUID(newest.job_id.hex[:6].ljust(32, "f"))
        asked = {
            "the newest": everything,
            "far behind": replace(everything, before=middle),
            "those that failed": replace(everything, states=frozenset({"failed"})),
            "those that failed or are queued": replace(everything, states=frozenset({"failed", "queued"})),
            "those of a recording": replace(everything, recording_id="r40"),
            "those whose id begins with 6 digits": replace(everything, ids=ids),
            "those with a name that all have": replace(everything, name="CALL"),
            "those with a name that none has: all are looked at": replace(everything, name="nothing"),
        }
        found = []
        for what, wanted in asked.items():
            took = []
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                await page(wanted)
                took.append((time.perf_counter() - begun) * 1000)
            found.append((what, statistics.median(took)))
    return found


def write(connection: psycopg.Connection, number: int) -> float:
    """Insert jobs and take them through two states; milliseconds a job."""
    begun = time.perf_counter()
    with connection.transaction():
        connection.execute(
            FILL.replace("'completed'", "'queued'").replace("gen_random_uuid()", "md5(n::text)::uuid"),
            [number, number + BATCH - 1],
        )
        for state in ("transcribing", "completed"):
            connection.execute(
                "UPDATE jobs SET state = %s, updated_at = now() WHERE job_id IN"
                " (SELECT md5(n::text)::uuid FROM generate_series(%s::integer, %s::integer) AS n)",
                [state, number, number + BATCH - 1],
            )
    return (time.perf_counter() - begun) * 1000 / BATCH


def indexed(connection: psycopg.Connection, wanted: dict[str, str], others: dict[str, str]) -> None:
    for name in others:
        connection.execute(f"DROP INDEX IF EXISTS {name}".encode())
    for name, columns in wanted.items():
        connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON jobs {columns}".encode())


def cost_of_writing(connection: psycopg.Connection, rounds: int) -> tuple[float, float]:
    """Median milliseconds a job with the indexes of before, and with those of the lists."""
    before, after = [], []
    for number in range(rounds):
        indexed(connection, OLD, NEW)
        before.append(write(connection, -BATCH * (2 * number + 1)))
        indexed(connection, NEW, OLD)
        after.append(write(connection, -BATCH * (2 * number + 2)))
    return statistics.median(before), statistics.median(after)


def lines(dsn: str, jobs: int, rounds: int) -> Iterator[tuple[str, str]]:
    """What was measured, and the result."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        before, after = cost_of_writing(connection, rounds)
        yield (
            "ms to write a job through three states, before and with the lists",
            f"{before:.3f}, {after:.3f}: {after / before:.2f} times",
        )
        connection.execute(FILL, [1, jobs])
        connection.execute("VACUUM ANALYZE jobs")
    for what, took in asyncio.run(cost_of_pages(dsn, jobs)):
        yield f"ms for 50 of {jobs // 2:,} jobs: {what}", f"{took:.1f}"


def main(
    jobs: Annotated[int, typer.Option(help="Jobs of both tenants.")] = 2_000_000,
    rounds: Annotated[int, typer.Option(help="Rounds of writing with the indexes and without.")] = 7,
) -> None:
    """Measure on a PostgreSQL of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(
            Path(folder), ports.choose(("postgres",), {}, {}), uuid.uuid4().hex, owned=True, durable=False
        )
        server.start()
        try:
            migrate(server.dsn())
            table = Table("what", "result", box=None, header_style="bold", padding=(0, 2, 0, 0))
            for line in lines(server.dsn(), jobs, rounds):
                table.add_row(*line)
            Console(width=160).print(table)
        finally:
            server.stop()


if __name__ == "__main__":
    typer.run(main)
