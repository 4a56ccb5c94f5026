"""Counting all jobs takes a small part of the database's time, however many there are."""

import pytest

from producers.jobs import totals
from producers.jobs.totals import TotalsCounter
from sink.jobs.states import JobCounts

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(("jobs", "counted"), [(100_000, 10), (1_000_000, 1), (2_000_000, 1), (250_000, 4)])
async def test_many_jobs_are_counted_less_often(monkeypatch: pytest.MonkeyPatch, jobs: int, counted: int) -> None:
    """Ten scrapes, one a second."""
    now, asked = 0.0, 0

    async def count_jobs(_: object) -> JobCounts:
        nonlocal asked
        asked += 1
        return JobCounts(accepted=jobs, states={}, oldest_seconds={}, audio_seconds={})

    async def count_full(_: object) -> dict[str, int]:
        return {}

    monkeypatch.setattr(totals, "count_jobs", count_jobs)
    monkeypatch.setattr(totals, "count_full", count_full)
    counter = TotalsCounter(lambda: now)
    for second in range(10):
        now = float(second)
        assert (await counter.count(None)).jobs.accepted == jobs  # type: ignore[arg-type]
    assert asked == counted
