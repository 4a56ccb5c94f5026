"""Jobs that do not move: those that wait no longer than they may are left alone, the others are named and can be ended."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from schemas.events import JobResult, Outcome, Stage
from schemas.vocabulary.job_states import UNFINISHED
from schemas.wire.serde import Serde
from sink.jobs.outbox import OutboxSession
from sink.jobs.unfinished.stalled import StallLimits, count_stalled, fail_stalled, find_stalled
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from streams.agents.persist import Persist
from streams.retention.stall_watch import StallWatch
from tests.streams.jobs import Job, new_job
from tests.streams.persisting import row_of, tell

pytestmark = pytest.mark.anyio
LIMITS = StallLimits(running=timedelta(hours=6), queued=timedelta(hours=24))
HOURS = {"queued": (23, 25), "transcribing": (5, 7), "diarizing": (5, 7), "completed": (5, 1000)}
"""How long a job of each state has not moved: within what it may, and beyond."""


async def stand_still(db: Database, job: Job, hours: float) -> None:
    async with db.transaction() as connection:
        await connection.execute(
            "UPDATE jobs SET updated_at = now() - %s WHERE job_id = %s", [timedelta(hours=hours), job.job_id]
        )


async def jobs_of_all_ages(db: Database, store: S3ObjectStore) -> dict[str, Job]:
    """One job of each state and age; those beyond their limit by state."""
    persist, stalled = Persist(db, store), {}
    for state, ages in HOURS.items():
        for hours in ages:
            job = new_job()
            await tell(persist, job.request())
            if state in ("transcribing", "diarizing"):
                await tell(persist, job.progress(1, 1, Stage(state)))
            if state == "completed":
                await tell(persist, job.result())
            await stand_still(db, job, hours)
            stalled[state] = job
    return stalled


async def test_a_job_that_does_not_move_is_found_by_its_state_and_no_other_is(
    db: Database, object_store: S3ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    stalled = await jobs_of_all_ages(db, object_store)
    async with db.connection() as connection:
        found = await find_stalled(connection, LIMITS, 10)
        counts = await count_stalled(connection, LIMITS)
        first = await find_stalled(connection, LIMITS, 1)
    assert {job.state: job.job_id for job in found} == {state: stalled[state].job_id for state in UNFINISHED}
    assert counts == dict.fromkeys(UNFINISHED, 1)
    assert first[0].state in ("transcribing", "diarizing")
    await StallWatch(db, LIMITS).look()
    shown = [REGISTRY.get_sample_value("scribe_rabbit_jobs_stalled", {"state": state}) for state in UNFINISHED]
    assert shown == [1, 1, 1]
    assert all(str(stalled[state].job_id) in caplog.text for state in UNFINISHED)
    assert str(stalled["completed"].job_id) not in caplog.text


async def test_a_job_that_moves_again_is_counted_no_more(db: Database, object_store: S3ObjectStore) -> None:
    persist, job = Persist(db, object_store), new_job()
    await tell(persist, job.request(), job.progress(1, 1))
    await stand_still(db, job, 100)
    watch = StallWatch(db, LIMITS)
    await watch.look()
    assert REGISTRY.get_sample_value("scribe_rabbit_jobs_stalled", {"state": "transcribing"}) == 1
    await tell(persist, job.progress(1, 2))
    await watch.look()
    assert REGISTRY.get_sample_value("scribe_rabbit_jobs_stalled", {"state": "transcribing"}) == 0


async def test_what_an_operator_ends_is_told_like_any_other_end(db: Database, object_store: S3ObjectStore) -> None:
    """By a result for all who hear of results; a real one that comes after it changes nothing."""
    persist, job, ended = Persist(db, object_store), new_job(), new_job()
    await tell(persist, job.request(), ended.result())
    async with db.transaction() as connection:
        failed = await fail_stalled(connection, Serde(), [job.job_id, ended.job_id], datetime.now(UTC))
    assert failed == [job.job_id]
    async with OutboxSession.open(db) as session:
        assert await session.lead()
        (row,) = await session.pending(10)
    result = Serde().decode(row.record.value, JobResult)
    assert (row.record.topic, result.event_id) == ("scribe.results", job.result().event_id)
    assert await tell(persist, result) == ["applied"]
    late = await tell(persist, job.result())
    assert late == ["duplicate"]
    row_now = await row_of(db, job)
    assert (row_now.state, row_now.error and row_now.error["code"]) == (Outcome.FAILED, "internal")
