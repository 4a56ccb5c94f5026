"""The pace of the service, measured on the jobs that completed last: cost of a second of audio, and workers. Pure."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from schemas.vocabulary.job_states import JobState
from schemas.vocabulary.scheduling import BYTES_PER_SECOND, MOST_SECONDS, UNKNOWN_SECONDS
from sink.jobs.unfinished.backlog import LATEST, Backlog, CompletedJob, PendingJob

Ratios = Mapping[Hashable, float]
"""Ratios by name; that of `OTHERS` is of all together."""
OTHERS = None
_ENOUGH_SECONDS = 5.0  # with waiting jobs, for the number of workers to be seen
_ON_THE_WAY = timedelta(seconds=2)  # to a worker that is free


@dataclass(frozen=True, slots=True)
class Pace:
    """Cost of a second of audio in worker-seconds by model and diarization, and the number of workers.

    `transcribing` is the share of that cost before diarization, by model; `bytes_per_second` of a kind of file is by its
    suffix, and `audio` is the length in seconds of a recording of which nothing is known. `workers` is the mean number of
    jobs that are in work at once while others wait.
    """

    cost: Ratios
    transcribing: Ratios
    bytes_per_second: Ratios
    audio: float
    workers: float

    def work(self, job: PendingJob) -> float:
        """Work that is left of a job, in worker-seconds."""
        seconds = self._seconds(job)
        whole = seconds * _ratio(self.cost, (job.model, job.diarize))
        done = min(1.0, (job.done_seconds or 0.0) / seconds) if seconds else 0.0
        share = _ratio(self.transcribing, job.model) if job.diarize else 1.0
        match job.state:
            case JobState.TRANSCRIBING:
                return whole * (1.0 - share * done)
            case JobState.DIARIZING:
                return whole * (1.0 - share) * (1.0 - done)
        return whole

    def _seconds(self, job: PendingJob) -> float:
        if job.total_seconds is not None:
            return min(job.total_seconds, MOST_SECONDS)
        if job.size_bytes is not None:
            return min(job.size_bytes / _ratio(self.bytes_per_second, job.suffix), MOST_SECONDS)
        return self.audio


def measure(backlog: Backlog) -> Pace | None:
    """The pace at which jobs were completed; None without any, since then nobody knows."""
    completed = backlog.completed
    if not completed:
        return None
    diarized = [job for job in completed if job.diarize_seconds]
    return Pace(
        cost=_ratios(((job.model, job.diarize), _held(job), job.audio) for job in completed),
        transcribing=_ratios(
            ((job.model, job.transcribe_seconds, job.transcribe_seconds + job.diarize_seconds) for job in diarized),
            usual=1.0,
        ),
        bytes_per_second=_ratios(
            ((job.suffix, job.size_bytes, job.audio) for job in completed if job.size_bytes), usual=BYTES_PER_SECOND
        ),
        audio=sorted(job.audio for job in completed)[len(completed) // 2] or UNKNOWN_SECONDS,
        workers=_workers(backlog),
    )


def _held(job: CompletedJob) -> float:
    """The seconds from the beginning of the first stage to the end of the last one."""
    return (job.completed_at - job.started_at).total_seconds()


def _ratios(found: Iterable[tuple[Hashable, float, float]], usual: float = 1.0) -> dict[Hashable, float]:
    """The ratio of two sums by name, and of all together, which is `usual` where there is nothing."""
    above: dict[Hashable, float] = defaultdict(float)
    below: dict[Hashable, float] = defaultdict(float)
    for name, first, second in found:
        for each in (name, OTHERS):
            above[each] += first
            below[each] += second
    return {OTHERS: usual} | {name: above[name] / below[name] for name in above if below[name]}


def _ratio(ratios: Ratios, name: Hashable) -> float:
    return ratios.get(name, ratios[OTHERS])


def _workers(backlog: Backlog) -> float:
    """The mean number of jobs in work while others waited, or the highest ever where none had to wait for long.

    Of the time before the first of the latest ends not all jobs are known, so that is not looked at.
    """
    now, completed = backlog.now, backlog.completed
    begun = [(job.requested_at, job.started_at, job.completed_at) for job in completed]
    begun += [(job.requested_at, job.started_at, now) for job in backlog.running if job.started_at is not None]
    since = min(job.completed_at for job in completed) if len(completed) >= LATEST else None
    working = _steps((start, end) for _, start, end in begun)
    waits = [(requested + _ON_THE_WAY, start) for requested, start, _ in begun]
    waits += [(job.requested_at + _ON_THE_WAY, now) for job in backlog.queued]
    waiting = _steps((begin, end) for begin, end in waits if begin < end)
    return _mean_while(working, waiting, since)


def _mean_while(working: Mapping[datetime, int], waiting: Mapping[datetime, int], since: datetime | None) -> float:
    """The mean of the first count while both are above 0, from a time on; its maximum where that is not for long."""
    busy = waits = 0
    crowded = spent = 0.0
    highest = 1
    for moment, after in pairwise(sorted({*working, *waiting, *([since] if since else [])})):
        busy += working.get(moment, 0)
        waits += waiting.get(moment, 0)
        if since is not None and moment < since:
            continue
        highest = max(highest, busy)
        if busy > 0 and waits > 0:
            seconds = (after - moment).total_seconds()
            crowded += seconds
            spent += busy * seconds
    return max(1.0, spent / crowded) if crowded >= _ENOUGH_SECONDS else float(highest)


def _steps(intervals: Iterable[tuple[datetime, datetime]]) -> dict[datetime, int]:
    """The changes of a count at the beginnings and ends of intervals."""
    steps: dict[datetime, int] = defaultdict(int)
    for begin, end in intervals:
        steps[begin] += 1
        steps[end] -= 1
    return steps
