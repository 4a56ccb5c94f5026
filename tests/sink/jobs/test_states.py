"""The statements move jobs along the edges of the table of moves, and along no other."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from schemas.events import Outcome, Stage
from schemas.settings import PostgresSettings
from schemas.vocabulary.job_states import JOB_STATES, RUNNING, JobState, may_become
from sink.jobs.queries import find
from sink.jobs.results import StoredTranscript, apply_progress, apply_request, apply_result
from sink.postgres.database import Connection, Database
from tests.samples import TRANSCRIPT
from tests.streams.jobs import Job, new_job

pytestmark = pytest.mark.anyio
KEPT = StoredTranscript(TRANSCRIPT, "s3://scribe/t.json")


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as opened:
        yield opened


async def bring(connection: Connection, job: Job, state: JobState, run: int = 1, attempt: int = 1) -> None:
    """Apply the event that makes a job of `run` be in a state."""
    if state in RUNNING:
        await apply_progress(connection, job.progress(attempt, 1, Stage(state), run))
    elif state is JobState.QUEUED:
        await apply_request(connection, job.request(run))
    else:
        result = replace(job.result(run, Outcome(state)), event_id=uuid4())
        await apply_result(connection, result, KEPT if state is JobState.COMPLETED else None)


async def state_of(connection: Connection, job: Job) -> str:
    found = await find(connection, job.job_id, job.tenant)
    assert found is not None
    return found.state


async def standing(connection: Connection, state: JobState) -> Job:
    job = new_job()
    await bring(connection, job, JobState.QUEUED)
    await bring(connection, job, state)
    return job


async def test_every_event_moves_a_job_as_the_table_says(db: Database) -> None:
    """Each state, met by what brings a job to each other one: in its run, and in a later one."""
    found: dict[tuple[str, str], str] = {}
    expected: dict[tuple[str, str], str] = {}
    async with db.transaction() as connection:
        for before in JobState:
            for after in JobState:
                job = await standing(connection, before)
                await bring(connection, job, after, attempt=2)
                found[before, after] = await state_of(connection, job)
                expected[before, after] = after if may_become(before, after) else before
            later = await standing(connection, before)
            await bring(connection, later, JobState.QUEUED, run=2)
            found[before, "later run"] = await state_of(connection, later)
            expected[before, "later run"] = JobState.QUEUED
    assert may_become(JobState.COMPLETED, JobState.QUEUED, later_run=True)
    assert found == expected


async def test_a_history_has_no_other_moves(db: Database) -> None:
    """Every line of a job's history that is a state follows from the one before it."""
    async with db.transaction() as connection:
        for before in JobState:
            for after in JobState:
                await bring(connection, await standing(connection, before), after)
        rows = await (
            await connection.execute(
                "SELECT job_id, array_agg(state ORDER BY id) AS states FROM job_events GROUP BY job_id"
            )
        ).fetchall()
    assert len(rows) == len(JobState) ** 2
    for row in rows:
        states = [JobState(state) for state in row["states"]]
        assert states[0] is JobState.QUEUED
        assert all(may_become(before, after) for before, after in itertools.pairwise(states)), states


async def test_the_table_takes_these_states_and_no_others(db: Database) -> None:
    async with db.connection() as connection:
        cursor = await connection.execute(
            "SELECT regexp_matches(pg_get_constraintdef(oid), '''(\\w+)''', 'g') AS word FROM pg_constraint"
            " WHERE conname = 'jobs_state_check'"
        )
        assert {row["word"][0] for row in await cursor.fetchall()} == set(JOB_STATES)
