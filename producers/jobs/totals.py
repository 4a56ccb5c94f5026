"""Totals of all jobs for /metrics: counted at a scrape, and the seldomer the more there are to count."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from schemas import metrics
from sink.jobs.states import JobCounts, count_jobs
from sink.postgres.database import Connection
from sink.tenants.full_quotas import count_full

FEW = 100_000  # jobs, which are counted at every scrape
JOBS_A_SECOND = 100_000  # a count of more is kept for a second for so many


@dataclass(frozen=True, slots=True)
class Totals:
    """All jobs, and the tenants at their quotas, as of one moment."""

    jobs: JobCounts
    full_quotas: dict[str, int]


class TotalsCounter:
    """Counts for one process; the last count is shown until it may count again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: Totals | None = None
        self._again_at = 0.0

    async def count(self, connection: Connection) -> Totals:
        """The totals; those of many jobs may be some seconds old. Raises Outage."""
        began = self._clock()
        if self._last is None or began >= self._again_at:
            self._last = Totals(await count_jobs(connection), await count_full(connection))
            metrics.COUNT_SECONDS.set(self._clock() - began)
            self._again_at = began + kept_seconds(self._last.jobs.accepted)
        return self._last


def kept_seconds(jobs: int) -> float:
    """The time that a count of so many jobs is shown again."""
    return 0.0 if jobs <= FEW else jobs / JOBS_A_SECOND


def show(totals: Totals) -> None:
    """Set the metrics to these totals."""
    metrics.QUEUE_DEPTH.set(totals.jobs.states["waiting"])
    metrics.JOBS_ACCEPTED.set(totals.jobs.accepted)
    for gauge, values in (
        (metrics.JOBS, totals.jobs.states),
        (metrics.JOBS_OLDEST, totals.jobs.oldest_seconds),
        (metrics.AUDIO_PENDING, totals.jobs.audio_seconds),
    ):
        for state, value in values.items():
            gauge.labels(state=state).set(value)
    for quota, tenants in totals.full_quotas.items():
        metrics.QUOTAS_FULL.labels(quota=quota).set(tenants)


def forget() -> None:
    """Take the values from the metrics, because the database does not tell: the old ones would be a claim."""
    metrics.QUEUE_DEPTH.set(float("nan"))
    metrics.JOBS_ACCEPTED.set(float("nan"))
    for gauge in (metrics.JOBS, metrics.JOBS_OLDEST, metrics.AUDIO_PENDING, metrics.QUOTAS_FULL):
        gauge.clear()
