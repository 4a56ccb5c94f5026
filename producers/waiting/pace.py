"""The pace of the service, measured on the jobs that completed last: cost of a second of audio, and workers. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sink.jobs.states import BYTES_PER_SECOND, MOST_SECONDS, UNKNOWN_SECONDS
from sink.jobs.unfinished.backlog import CompletedJob, PendingJob

OTHERS = ""
"""The name that stands for all models or suffixes without a measurement of their own."""
_ENOUGH_SECONDS = 5.0  # of waiting jobs, for the number of workers to be seen


@dataclass(frozen=True, slots=True)
class Pace:
    """Cost of a second of audio in worker-seconds by model, bytes of a second by suffix, and the number of workers.

    `workers` is the mean number of jobs that are in work at once while others wait.
    """

    cost: Mapping[str, float]
    bytes_per_second: Mapping[str, float]
    audio: float
    """Seconds of audio of a recording of which nothing is known."""
    workers: float

    def work(self, job: PendingJob) -> float:
        """Work that is left of a job, in worker-seconds."""
        return max(0.0, self._seconds(job) - (job.done_seconds or 0.0)) * _ratio(self.cost, job.model)

    def _seconds(self, job: PendingJob) -> float:
        if job.total_seconds is not None:
            return min(job.total_seconds, MOST_SECONDS)
        if job.size_bytes is not None:
            return min(job.size_bytes / _ratio(self.bytes_per_second, job.suffix), MOST_SECONDS)
        return self.audio


def measure(completed: Sequence[CompletedJob]) -> Pace | None:
    """The pace at which jobs were completed; None without any, since then nobody knows."""
    if not completed:
        return None
    cost = _ratios(((job.model, _seconds(job.started_at, job.completed_at), job.audio) for job in completed), None)
    sized = ((job.suffix, job.size_bytes, job.audio) for job in completed if job.size_bytes)
    audio = sorted(job.audio for job in completed)[len(completed) // 2]
    return Pace(cost, _ratios(sized, BYTES_PER_SECOND), audio or UNKNOWN_SECONDS, _workers(completed))


def _ratios(found: Iterable[tuple[str, float, float]], usual: float | None) -> dict[str, float]:
    """The ratio of two sums by name, and of all together, which is `usual` where there is nothing."""
    above: dict[str, float] = defaultdict(float)
    below: dict[str, float] = defaultdict(float)
    for name, first, second in found:
        for each in {name, OTHERS}:
            above[each] += first
            below[each] += second
    ratios = {name: above[name] / below[name] for name in above}
    return ratios if ratios or usual is None else {OTHERS: usual}


def _ratio(ratios: Mapping[str, float], name: str) -> float:
    return ratios.get(name, ratios[OTHERS])


def _workers(completed: Sequence[CompletedJob]) -> float:
    """The mean number of jobs in work while others waited, or the highest ever where none had to wait for long."""
    working = _steps((job.started_at, job.completed_at) for job in completed)
    waiting = _steps((job.requested_at, job.started_at) for job in completed)
    moments = sorted({*working, *waiting})
    busy = waits = crowded = spent = highest = 0.0
    for moment, after in pairwise(moments):
        busy += working.get(moment, 0)
        waits += waiting.get(moment, 0)
        highest = max(highest, busy)
        if busy > 0 and waits > 0:
            seconds = _seconds(moment, after)
            crowded += seconds
            spent += busy * seconds
    return spent / crowded if crowded >= _ENOUGH_SECONDS else highest


def _steps(intervals: Iterable[tuple[datetime, datetime]]) -> dict[datetime, int]:
    """The changes of a count at the beginnings and ends of intervals."""
    steps: dict[datetime, int] = defaultdict(int)
    for begin, end in intervals:
        steps[begin] += 1
        steps[end] -= 1
    return steps


def _seconds(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds()
