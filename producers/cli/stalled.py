"""`scribe database stalled`: jobs whose state does not move, listed for operators and brought to an end by them."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from producers.cli.keys import Json, with_database
from producers.cli.outcome import print_json
from schemas.settings import StalledCommand, load
from sink.postgres import Database
from sink.schema_registry import serde_for
from sink.stalled import StalledJob, StallLimits, fail_stalled, find_stalled

MOST = 1000


def stalled(
    running_hours: Annotated[float | None, typer.Option(min=0, help="In work, and silent for so long.")] = None,
    queued_hours: Annotated[float | None, typer.Option(min=0, help="In the queue for so long.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="List so many at most.")] = 100,
    fail: Annotated[
        bool, typer.Option("--fail", help="End those that are listed as failed, and tell everybody who waits for them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List jobs whose state has not moved for long, those in work first; needs SCRIBE_POSTGRES_DSN.

    For how long is what SCRIBE_STALLED_RUNNING_HOURS and SCRIBE_STALLED_QUEUED_HOURS say. With --fail each gets a failed
    result, which the relay publishes; a result that comes later changes nothing.

    [bold]scribe database stalled[/]

    [bold]scribe database stalled --running-hours 48 --queued-hours 240 --fail[/]
    """
    given = {"stalled_running_hours": running_hours, "stalled_queued_hours": queued_hours}
    settings = load(StalledCommand, **{name: value for name, value in given.items() if value is not None})
    limits = StallLimits.of(settings)

    async def work(database: Database) -> tuple[list[StalledJob], Sequence[UUID]]:
        async with database.connection() as connection:
            found = await find_stalled(connection, limits, limit)
        if not (fail and found):
            return found, ()
        end = partial(fail_stalled, serde=serde_for(settings), job_ids=[j.job_id for j in found], now=datetime.now(UTC))
        return found, await database.run(end)

    found, failed = with_database(work)
    if as_json:
        print_json([{**asdict(job), "failed": job.job_id in failed} for job in found])
    elif found:
        Console().print(_table(found))
    if failed:
        sys.stderr.write(f"{len(failed)} failed; the relay publishes their results\n")
    elif not found and not as_json:
        sys.stdout.write("no job stands still\n")


def _table(jobs: Sequence[StalledJob]) -> Table:
    table = Table("JOB", "TENANT", "RUN", "STATE", "SINCE", box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.columns[0].no_wrap = True
    for job in jobs:
        table.add_row(str(job.job_id), job.tenant, str(job.run), job.state, f"{job.updated_at:%Y-%m-%d %H:%M}")
    return table
