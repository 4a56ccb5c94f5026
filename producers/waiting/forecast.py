"""Estimates of when jobs begin and end: from the work before them in the fair queue, and the pace of the service. Pure.

The queue serves two lanes by weight, and in each the tenants alike (start-time fair queueing). So until a job's turn comes,
every other tenant of its lane is served as much work as its own tenant has up to it, and the other lane as much as its
weight says, each of them no more than it has.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from producers.waiting.pace import Pace, measure
from schemas.vocabulary.scheduling import EXPRESS_WEIGHT
from sink.jobs.unfinished.backlog import Backlog, PendingJob


@dataclass(frozen=True, slots=True)
class Estimate:
    """The probable begin and end of a job; `position` among its tenant's waiting jobs of the same priority, from 1.

    Position and begin are None for a job that is in work.
    """

    position: int | None
    starts_at: datetime | None
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class _TenantQueue:
    """The waiting jobs of a tenant in a lane: times of their requests in order, and the work up to each of them.

    `unread` is the work of those behind them, of which only the number is known.
    """

    requested: Sequence[datetime]
    sums: Sequence[float]
    unread: float

    @property
    def work(self) -> float:
        """The work of all of them."""
        return (self.sums[-1] if self.sums else 0.0) + self.unread

    def before(self, at: datetime) -> tuple[int, float] | None:
        """The jobs that were requested before a time, and their work; None behind those that were read."""
        jobs = bisect_left(self.requested, at)
        if self.unread and jobs == len(self.requested):
            return None
        return jobs, self.sums[jobs - 1] if jobs else 0.0


@dataclass(frozen=True, slots=True)
class _Lane:
    """The waiting jobs of a priority by tenant; `works` of all tenants in order, with their sums."""

    tenants: Mapping[str, _TenantQueue]
    works: Sequence[float]
    sums: Sequence[float]

    @classmethod
    def from_jobs(cls, jobs: Iterable[tuple[PendingJob, float]], counted: Mapping[str, int], mean: float) -> "_Lane":
        """The lane of these jobs with their work, of `counted` by tenant, the others of a `mean` work."""
        found: dict[str, list[tuple[datetime, float]]] = {tenant: [] for tenant in counted}
        for job, work in jobs:
            found.setdefault(job.tenant, []).append((job.requested_at, work))
        tenants = {
            tenant: _TenantQueue(
                [at for at, _ in queue],
                list(accumulate(work for _, work in queue)),
                max(0, counted.get(tenant, 0) - len(queue)) * mean,
            )
            for tenant, queue in found.items()
        }
        works = sorted(queue.work for queue in tenants.values())
        return cls(tenants, works, list(accumulate(works, initial=0.0)))

    @property
    def work(self) -> float:
        """The work of all tenants."""
        return self.sums[-1]

    def served_until(self, tenant: str, work: float) -> float:
        """The work that the lane is served until so much of a tenant is done."""
        small = bisect_right(self.works, work)
        of_all = self.sums[small] + (len(self.works) - small) * work
        own = self.tenants.get(tenant)
        return work + of_all - (min(own.work, work) if own else 0.0)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The estimates of one moment, `age` seconds ago."""

    made_at: datetime
    pace: Pace
    _lanes: Mapping[bool, _Lane]
    _running: float
    _mean: float
    """The work of a job, on average."""
    age: float = 0.0

    @property
    def now(self) -> datetime:
        """The present, by the clock of the database."""
        return self.made_at + timedelta(seconds=self.age)

    def estimate(self, job: PendingJob) -> Estimate | None:
        """The estimate of a job, which may be newer than the forecast; None where too many of its tenant's wait before it."""
        own = self.pace.work(job)
        if job.running:
            return Estimate(None, None, self._at(own))
        queue = self._lanes[job.express].tenants.get(job.tenant)
        if (before := queue.before(job.requested_at) if queue else (0, 0.0)) is None:
            return None
        jobs, work = before
        wait = self._wait(job.tenant, job.express, work + own, own)
        return Estimate(jobs + 1, self._at(wait), self._at(wait + own))

    def least_wait(self, job: PendingJob) -> float:
        """The seconds that a new job would wait at least."""
        queue = self._lanes[job.express].tenants.get(job.tenant)
        own = self.pace.work(job)
        return max(0.0, self._wait(job.tenant, job.express, (queue.work if queue else 0.0) + own, own) - self.age)

    def shortest_wait(self, tenant: str, *, express: bool) -> float:
        """The seconds that any new job of a tenant would wait at least."""
        queue = self._lanes[express].tenants.get(tenant)
        return max(0.0, self._wait(tenant, express, queue.work if queue else 0.0, 0.0) - self.age)

    def _wait(self, tenant: str, express: bool, work: float, own: float) -> float:
        """The seconds until a worker takes a job, `work` being that of its tenant up to and with it, and `own` its own."""
        lane, other = self._lanes[express], self._lanes[not express]
        served = lane.served_until(tenant, work)
        share = 1 / EXPRESS_WEIGHT if express else EXPRESS_WEIGHT
        ahead = self._running + served - own + min(other.work, served * share)
        # the other workers are by then half through with what they have
        return max(0.0, ahead - (self.pace.workers - 1) * self._mean / 2) / self.pace.workers

    def _at(self, seconds: float) -> datetime:
        return self.made_at + timedelta(seconds=max(seconds, self.age))


def forecast(backlog: Backlog) -> Forecast | None:
    """The forecast from a backlog; None while no job has completed lately, since then the pace is unknown."""
    pace = measure(backlog)
    if pace is None:
        return None
    queued = [(job, pace.work(job)) for job in backlog.queued]
    running = [pace.work(job) for job in backlog.running]
    works = [*(work for _, work in queued), *running]
    mean = sum(works) / len(works) if works else 0.0
    lanes = {
        express: _Lane.from_jobs(
            ((job, work) for job, work in queued if job.express is express),
            {tenant: jobs for (tenant, lane), jobs in backlog.queued_jobs.items() if lane is express},
            mean,
        )
        for express in (True, False)
    }
    return Forecast(backlog.now, pace, lanes, sum(running), mean)
