"""Watch for stalled jobs: exports their number as a metric, and logs the first of them."""

import logging

from schemas import metrics
from sink.jobs.unfinished.stalled import StallLimits, count_stalled, find_stalled
from sink.postgres.database import Database

log = logging.getLogger(__name__)
NAMED = 20  # jobs in one line of the log


class StallWatch:
    """Reports stalled jobs, without changing them."""

    def __init__(self, database: Database, limits: StallLimits) -> None:
        self._database = database
        self._limits = limits

    async def look(self) -> None:
        """Count stalled jobs by state, and log those stalled for longest; raises Outage."""
        async with self._database.connection() as connection:
            counts = await count_stalled(connection, self._limits)
            found = await find_stalled(connection, self._limits, NAMED)
        for state, count in counts.items():
            metrics.JOBS_STALLED.labels(state=state).set(count)
        if found:
            names = ", ".join(f"{job.job_id} ({job.state} since {job.updated_at:%Y-%m-%d %H:%M})" for job in found)
            log.warning("%d jobs do not move; `scribe database stalled` lists them: %s", sum(counts.values()), names)
