"""Estimates beside what a simulated service does: workers that take from a fair queue, with a known pace."""

import heapq
import random
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.delivery.fairness import FairQueue, SchedulingInfo
from producers.waiting.forecast import Forecast, forecast
from producers.waiting.pace import Pace, measure
from schemas.vocabulary.scheduling import EXPRESS_WEIGHT
from sink.jobs.unfinished.backlog import LATEST, Backlog, CompletedJob, PendingJob

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COST = 0.25  # seconds of a worker for a second of audio


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def pending(number: int, seconds: float, **changes: object) -> PendingJob:
    job = PendingJob(
        job_id=UUID(int=number),
        tenant="acme",
        express=False,
        state="queued",
        diarize=False,
        requested_at=at(number / 1000),
        model="",
        suffix="wav",
        size_bytes=None,
        total_seconds=seconds,
        done_seconds=None,
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def completed(requested: float, started: float, ended: float, **changes: object) -> CompletedJob:
    job = CompletedJob(
        model="",
        suffix="wav",
        size_bytes=None,
        audio=(ended - started) / COST,
        requested_at=at(requested),
        started_at=at(started),
        completed_at=at(ended),
        diarize=False,
        transcribe_seconds=ended - started,
        diarize_seconds=0.0,
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def simulate(jobs: Sequence[PendingJob], workers: int) -> dict[UUID, tuple[float, float]]:
    """Begin and end of each job, when so many workers serve the fair queue of the GPU processes."""
    queue: FairQueue[PendingJob] = FairQueue()
    for job in jobs:
        queue.add(job, SchedulingInfo(job.tenant, job.express, job.total_seconds or 0.0))
    free, found = [0.0] * workers, {}
    while (taken := queue.take()) is not None:
        begin = heapq.heappop(free)
        job, _ = taken
        end = begin + (job.total_seconds or 0.0) * COST
        found[job.job_id] = begin, end
        heapq.heappush(free, end)
    return found


def history(
    jobs: Sequence[PendingJob], times: dict[UUID, tuple[float, float]], before: float
) -> tuple[CompletedJob, ...]:
    """The same jobs as if they had been done before now."""
    return tuple(
        completed(-before, begin - before, end - before, audio=job.total_seconds)
        for job in jobs
        for begin, end in [times[job.job_id]]
    )


def backlog_of(
    jobs: Sequence[PendingJob],
    done: Sequence[CompletedJob],
    unread: Mapping[tuple[str, bool], int] = MappingProxyType({}),
) -> Backlog:
    """A backlog of all these jobs, and of others that were only counted."""
    queued = tuple(job for job in jobs if not job.running)
    counted = Counter((job.tenant, job.express) for job in queued) + Counter(unread)
    running = tuple(job for job in jobs if job.running)
    return Backlog(now=NOW, queued=queued, running=running, completed=tuple(done), queued_jobs=counted)


def forecast_of(
    jobs: Sequence[PendingJob],
    done: Sequence[CompletedJob],
    unread: Mapping[tuple[str, bool], int] = MappingProxyType({}),
) -> Forecast:
    found = forecast(backlog_of(jobs, done, unread))
    assert found is not None
    return found


def pace_of(*done: CompletedJob, jobs: Sequence[PendingJob] = ()) -> Pace:
    found = measure(backlog_of(jobs, done))
    assert found is not None
    return found


def seconds_of(when: datetime | None) -> float:
    assert when is not None
    return (when - NOW).total_seconds()


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
@pytest.mark.parametrize("tenants", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_estimates_are_close_to_what_happens(workers: int, tenants: int, seed: int) -> None:
    chosen = random.Random(seed)
    jobs = [
        pending(
            number,
            chosen.lognormvariate(4.5, 0.8),
            tenant=f"tenant-{chosen.randrange(tenants)}",
            express=chosen.random() < 0.2,
        )
        for number in range(80)
    ]
    times = simulate(jobs, workers)
    found = forecast_of(jobs, history(jobs, times, 10_000))
    errors = []
    for job in jobs:
        estimate = found.estimate(job)
        assert estimate is not None
        errors.append(abs(seconds_of(estimate.ends_at) - times[job.job_id][1]) / times[job.job_id][1])
    assert statistics.median(errors) < 0.2


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_workers_are_counted_while_jobs_wait(workers: int) -> None:
    jobs = [pending(number, 100.0) for number in range(10 * workers)]
    busy = history(jobs, simulate(jobs, workers), 10_000)
    # before that jobs came one by one, each a moment on its way, which says nothing of how many there may be
    alone = [completed(-50_000 + 10 * n, -50_000 + 10 * n + 0.5, -50_000 + 10 * n + 25) for n in range(60)]
    assert pace_of(*busy, *alone).workers == pytest.approx(workers, rel=0.1)


@pytest.mark.parametrize("workers", [16, 100, 400, 2_000])
def test_many_workers_are_counted_by_what_they_have_now(workers: int) -> None:
    """The latest ends are fewer than the workers: only the jobs that run tell how many there are."""
    length = 60.0
    done = [completed(-500.0, -(n + 1) * length / workers - length, -(n + 1) * length / workers) for n in range(LATEST)]
    running = [
        pending(n, length / COST, state="transcribing", requested_at=at(-500), started_at=at(-n * length / workers))
        for n in range(workers)
    ]
    found = pace_of(*done, jobs=[*running, pending(0, 100.0, requested_at=at(-500))])
    assert found.workers == pytest.approx(workers, rel=0.1)


def test_without_a_burst_as_many_as_were_ever_seen_are_assumed() -> None:
    assert pace_of(completed(0, 0, 10), completed(5, 5, 15), completed(100, 100, 110)).workers == 2


def test_models_and_kinds_of_files_have_rates_of_their_own() -> None:
    found = pace_of(
        completed(0, 0, 10, audio=100.0, model="", suffix="", size_bytes=3_200_000),
        completed(0, 20, 60, audio=100.0, model="large", suffix="mp3", size_bytes=800_000),
    )
    job = pending(1, 0.0, total_seconds=None, size_bytes=1_600_000)
    assert found.work(replace(job, model="", suffix="")) == pytest.approx(5.0)
    assert found.work(replace(job, model="large", suffix="mp3")) == pytest.approx(80.0)
    # of others the mean of all is assumed, and of what is unknown the usual length
    assert found.work(replace(job, model="new", suffix="ogg")) == pytest.approx(80.0 * 0.25)
    assert found.work(replace(job, model="", size_bytes=None)) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("state", "done", "left"),
    [
        ("queued", 0.0, 40.0),
        ("transcribing", 0.0, 40.0),
        ("transcribing", 50.0, 25.0),
        ("transcribing", 100.0, 10.0),  # it waits for a diarizer
        ("diarizing", 0.0, 10.0),
        ("diarizing", 50.0, 5.0),
        ("diarizing", 100.0, 0.0),
    ],
)
def test_each_stage_has_its_share_of_the_work(state: str, done: float, left: float) -> None:
    """Seconds that are done are those of the stage, and diarization begins at 0 again."""
    stages = {"diarize": True, "transcribe_seconds": 27.0, "diarize_seconds": 9.0}
    found = pace_of(completed(0, 0, 40, audio=100.0, **stages))
    job = pending(1, 100.0, state=state, diarize=True, done_seconds=done)
    assert found.work(job) == pytest.approx(left)


def test_a_running_job_has_only_its_rest_before_it() -> None:
    job = pending(1, 100.0, state="transcribing", done_seconds=60.0)
    found = forecast_of([job], [completed(0, 0, 25)]).estimate(job)
    assert found is not None
    assert (found.position, found.starts_at) == (None, None)
    assert seconds_of(found.ends_at) == pytest.approx(10.0)


def test_nobody_knows_before_a_job_has_completed() -> None:
    assert forecast(backlog_of([pending(1, 10.0)], [])) is None


def test_jobs_that_were_only_counted_wait_too() -> None:
    read, one = [pending(1, 100.0), pending(2, 100.0)], [completed(0, 0, 25)]
    found = forecast_of(read, one, {("acme", False): 98})
    assert found.estimate(read[1]) is not None
    assert found.estimate(pending(3, 100.0)) is None
    assert found.least_wait(pending(3, 100.0)) == pytest.approx(100 * 25.0)
    # they are in nobody else's way for longer than as much of its own takes
    other = pending(3, 100.0, tenant="globex")
    assert found.least_wait(other) == pytest.approx(25.0)
    assert found.estimate(other) is not None


def test_an_old_forecast_names_no_time_that_has_passed() -> None:
    job = pending(1, 100.0)
    found = replace(forecast_of([job], [completed(0, 0, 25)]), age=60.0)
    estimate = found.estimate(job)
    assert estimate is not None
    assert (seconds_of(estimate.starts_at), seconds_of(estimate.ends_at)) == (60.0, 60.0)
    assert found.least_wait(pending(2, 100.0)) == 0.0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(1, 1000)), min_size=1, max_size=30))
def test_positions_count_the_own_jobs_and_ends_do_not_go_back(given_jobs: list[tuple[str, bool, float]]) -> None:
    jobs = [pending(n, s, tenant=t, express=e) for n, (t, e, s) in enumerate(given_jobs)]
    found = forecast_of(jobs, [completed(0, 0, 25)])
    for tenant in "abc":
        for express in (True, False):
            own = [found.estimate(job) for job in jobs if (job.tenant, job.express) == (tenant, express)]
            assert [each.position for each in own if each] == list(range(1, len(own) + 1))
            begins = [seconds_of(each.starts_at) for each in own if each]
            assert begins == sorted(begins)
    newest = pending(1000, 10.0, tenant="a")
    estimate = found.estimate(newest)
    assert estimate is not None
    assert found.least_wait(newest) == pytest.approx(seconds_of(estimate.starts_at))


def test_the_lanes_are_weighted_as_the_queue_of_the_gpu_processes_weights_them() -> None:
    lanes = FairQueue[PendingJob]()._lanes
    assert lanes[True].weight / lanes[False].weight == EXPRESS_WEIGHT
