"""`scribe database stalled`: lists jobs whose state does not change, and ends them as failed on request."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from rich.table import Table

from producers.cli.operators.keys import with_database
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.tables import add_row, make_table, show_table
from schemas.settings.loading import load
from schemas.settings.processes import StalledCommand
from sink.jobs.unfinished.stalled import StalledJob, StallLimits, fail_stalled, find_stalled
from sink.postgres.database import Database
from sink.records.serdes import serde_for


def stalled(running_hours: float | None, queued_hours: float | None, limit: int, fail: bool, as_json: bool) -> None:
    """Implements `scribe database stalled`."""
    given = {"stalled_running_hours": running_hours, "stalled_queued_hours": queued_hours}
    settings = load(StalledCommand, **{name: value for name, value in given.items() if value is not None})
    limits = StallLimits.from_settings(settings)

    async def work(database: Database) -> tuple[list[StalledJob], Sequence[UUID]]:
        async with database.connection() as connection:
            found = await find_stalled(connection, limits, limit)
        if not (fail and found):
            return found, ()
        end = partial(fail_stalled, serde=serde_for(settings), job_ids=[j.job_id for j in found], now=datetime.now(UTC))
        return found, await database.run(end)

    found, failed = with_database(work)
    if as_json:
        print_json({**asdict(job), "failed": job.job_id in failed} for job in found)
    elif found:
        show_table(_table(found))
    if failed:
        sys.stderr.write(f"{len(failed)} failed; the relay publishes their results\n")
    elif not found and not as_json:
        sys.stdout.write("no job stands still\n")


def _table(jobs: Sequence[StalledJob]) -> Table:
    shown = make_table("JOB", "TENANT", "RUN", "STATE", "SINCE (UTC)", whole=("JOB", "TENANT"))
    for job in jobs:
        add_row(shown, [job.job_id, job.tenant, job.run, job.state, f"{job.updated_at:%Y-%m-%d %H:%M}"])
    return shown
