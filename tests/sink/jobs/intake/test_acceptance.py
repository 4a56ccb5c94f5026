"""Accepting jobs: all or nothing, only one's own, and together what comes together, without harm to each other."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest

from schemas.errors import Outage
from schemas.events import JobRequested, TenantPolicy
from schemas.requests.limits import EARLIEST
from schemas.settings.stores import PostgresSettings
from schemas.wire.records import Record
from sink.jobs import outbox, queries
from sink.jobs.intake import acceptance
from sink.jobs.intake.acceptance import COMMITS, MOST_JOBS, Acceptance, SharedCommits
from sink.jobs.queries import JobRow
from sink.postgres import job_lock
from sink.postgres.database import Database
from sink.tenants.policies import apply_policy
from tests.samples import AT, BARE_REQUEST, FULL_REQUEST

pytestmark = pytest.mark.anyio
RECORD = Record("scribe.jobs", b"key", b"value", {"ce_id": "1"})
NUMBER = 3 * MOST_JOBS
_TRANSACTIONS = "SELECT count(DISTINCT xmin::text) AS number FROM jobs"
Answer = tuple[Acceptance, JobRow | None]


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as opened:
        yield opened


def fresh(number: int) -> list[JobRequested]:
    """Requests of two tenants, in turn."""
    return [replace(BARE_REQUEST, job_id=uuid4(), tenant=("acme", "globex")[n % 2]) for n in range(number)]


async def at_once(db: Database, requests: list[JobRequested], record: Record = RECORD) -> list[Answer]:
    commits = SharedCommits()
    return await asyncio.gather(*(commits.accept(db, request, b"digest", record) for request in requests))


async def number_of(db: Database, query: str) -> int:
    async with db.connection() as connection:
        row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return int(row["number"])


async def test_a_job_and_its_outbox_row_are_committed_together(db: Database) -> None:
    """A record that the outbox cannot keep leaves nothing of its job."""
    with pytest.raises(psycopg.errors.NotNullViolation):
        await acceptance.accept(db, BARE_REQUEST, b"digest", replace(RECORD, value=None))
    assert await queries.read(db, BARE_REQUEST.job_id, "acme") is None
    async with db.connection() as connection:
        assert (await outbox.backlog(connection)).pending == 0


async def test_an_id_is_taken_once(db: Database) -> None:
    """By whoever came first; a tenant learns of its own job, and nothing of another's."""
    answer, job = await acceptance.accept(db, FULL_REQUEST, b"digest", RECORD)
    assert (answer, job) == (Acceptance.ACCEPTED, job)
    assert job is not None
    assert (job.state, job.fingerprint, job.request["metadata"]) == ("queued", b"digest", FULL_REQUEST.metadata)
    assert await acceptance.accept(db, FULL_REQUEST, b"other", RECORD) == (Acceptance.KNOWN, job)
    foreign = replace(BARE_REQUEST, job_id=FULL_REQUEST.job_id, tenant="globex")
    assert await acceptance.accept(db, foreign, b"other", RECORD) == (Acceptance.KNOWN, None)
    assert await queries.read(db, FULL_REQUEST.job_id, "globex") is None
    detail = await queries.read(db, FULL_REQUEST.job_id, "acme")
    assert detail is not None
    assert detail.job == job
    assert [(line.state, line.at) for line in detail.history] == [("queued", FULL_REQUEST.requested_at)]
    async with db.connection() as connection:
        assert await queries.find(connection, FULL_REQUEST.job_id, "acme") == job
        assert (await outbox.backlog(connection)).pending == 1


async def test_a_job_is_judged_by_the_policy_in_force_when_it_is_committed(db: Database) -> None:
    """One that changed since, came, or was never there."""
    fresh = (replace(BARE_REQUEST, job_id=uuid4()) for _ in range(10))
    none, first, second = EARLIEST, AT, AT + timedelta(microseconds=1)

    async def accepted(policy_at: datetime | None) -> bool:
        return (await acceptance.accept(db, next(fresh), b"", RECORD, policy_at=policy_at))[0] is Acceptance.ACCEPTED

    assert [await accepted(at) for at in (none, first, None)] == [True, False, True]
    async with db.transaction() as connection:
        await apply_policy(connection, TenantPolicy(tenant="acme", at=second))
    assert [await accepted(at) for at in (none, first, second, None)] == [False, False, True, True]


async def test_no_more_jobs_are_accepted_than_may_wait(db: Database) -> None:
    fresh = [replace(BARE_REQUEST, job_id=uuid4()) for _ in range(5)]
    found = await asyncio.gather(*(acceptance.accept(db, request, b"", RECORD, most_waiting=2) for request in fresh))
    accepted = [request for request, (answer, _) in zip(fresh, found, strict=True) if answer is Acceptance.ACCEPTED]
    assert sorted(answer for answer, _ in found) == ["accepted"] * 2 + ["full"] * 3
    again = [(await acceptance.accept(db, request, b"", RECORD, most_waiting=2))[0] for request in accepted]
    assert again == [Acceptance.KNOWN] * 2


async def test_a_call_acts_for_its_tenant_and_no_longer(db: Database) -> None:
    """The role is given back with the end of the call, on the very connection that made it."""
    await acceptance.accept(db, BARE_REQUEST, b"", RECORD)
    row = await db.call("SELECT current_user = session_user AS owner, scribe_own_tenant() AS tenant", {})
    assert row == {"owner": True, "tenant": None}
    stranger = "CREATE FUNCTION all_jobs(tenant text, OUT number bigint) LANGUAGE plpgsql AS $$ BEGIN PERFORM scribe_act_for(tenant); SELECT count(*) INTO number FROM jobs; END $$"
    async with db.transaction() as connection:
        await connection.execute(stranger)
    for tenant, number in (("globex", 0), ("acme", 1), ("globex", 0)):
        assert await db.call("SELECT number FROM all_jobs(%(tenant)s)", {"tenant": tenant}) == {"number": number}


async def test_jobs_that_come_together_share_transactions_and_each_has_its_own_answer(db: Database) -> None:
    requests = fresh(NUMBER)
    answers = await at_once(db, requests)
    for request, (answer, job) in zip(requests, answers, strict=True):
        assert answer is Acceptance.ACCEPTED
        assert job is not None
        assert (job.job_id, job.tenant, job.state) == (request.job_id, request.tenant, "queued")
        assert job == await read(db, request)
    async with db.connection() as connection:
        assert (await outbox.backlog(connection)).pending == NUMBER
    assert await number_of(db, "SELECT count(*) AS number FROM job_events") == NUMBER
    assert await number_of(db, _TRANSACTIONS) <= NUMBER // MOST_JOBS + COMMITS


async def read(db: Database, request: JobRequested) -> JobRow | None:
    detail = await queries.read(db, request.job_id, request.tenant)
    return detail.job if detail else None


async def test_together_is_as_one_by_one(db: Database) -> None:
    """The same job twice, one of another tenant's id, one whose policy has changed, one whose tenant's jobs are counted."""
    (first,) = fresh(1)
    async with db.transaction() as connection:
        await apply_policy(connection, TenantPolicy(tenant="stale", at=AT))
    stale, counted = (replace(first, job_id=uuid4(), tenant=tenant) for tenant in ("stale", "counted"))
    commits = SharedCommits()
    answers = await asyncio.gather(
        commits.accept(db, first, b"digest", RECORD),
        commits.accept(db, first, b"other", RECORD),
        commits.accept(db, replace(first, tenant="globex"), b"digest", RECORD),
        commits.accept(db, stale, b"digest", RECORD, policy_at=EARLIEST),
        commits.accept(db, counted, b"digest", RECORD, most_waiting=0),
    )
    told = [answer for answer, _ in answers]
    assert sorted(told[:2]) == [Acceptance.ACCEPTED, Acceptance.KNOWN]
    assert told[2:] == [Acceptance.KNOWN, Acceptance.STALE, Acceptance.FULL]
    assert answers[0][1] == answers[1][1] is not None
    assert answers[2][1] is None


async def test_a_value_that_is_refused_fails_alone(db: Database) -> None:
    commits, requests = SharedCommits(), fresh(5)
    answers = await asyncio.gather(
        *(commits.accept(db, request, b"digest", RECORD) for request in requests[1:]),
        commits.accept(db, requests[0], b"digest", replace(RECORD, value=None)),
        return_exceptions=True,
    )
    assert isinstance(answers.pop(), psycopg.errors.NotNullViolation)
    assert [answer[0] for answer in answers if isinstance(answer, tuple)] == [Acceptance.ACCEPTED] * 4


async def test_a_job_that_is_locked_keeps_no_other_waiting(db: Database) -> None:
    """However long it is decided about elsewhere; it is accepted when that is over."""
    held, others = fresh(COMMITS + 1), fresh(8)
    commits = SharedCommits()
    async with db.transaction() as connection:
        await job_lock.lock_all(connection, [request.job_id for request in held])
        waiting = []
        for request in held:  # each in a transaction of its own, as far as there are some
            waiting.append(asyncio.create_task(commits.accept(db, request, b"digest", RECORD)))
            await asyncio.sleep(0)
        answers = await asyncio.gather(*(commits.accept(db, request, b"digest", RECORD) for request in others))
        assert {answer for answer, _ in answers} == {Acceptance.ACCEPTED}
        assert not any(task.done() for task in waiting)
    assert {answer for answer, _ in await asyncio.gather(*waiting)} == {Acceptance.ACCEPTED}


class EndingTogether:
    """A database whose calls all end in the same turn of the event loop."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    async def call_all(self, _: str, values: Mapping[str, list[Any]], *, writing: bool) -> list[dict[str, Any]]:
        assert writing
        await self.release.wait()
        return [{"acceptance": "known", "job_id": None} for _ in values["job_id"]]


async def test_who_comes_as_the_last_commits_end_is_not_forgotten() -> None:
    """In the very turn of the event loop in which they find nobody waiting."""
    database, commits, last = EndingTogether(), SharedCommits(), asyncio.Event()

    async def accepted() -> Answer:
        return await commits.accept(cast(Database, database), fresh(1)[0], b"digest", RECORD)

    async def late() -> Answer:
        await last.wait()
        return await accepted()

    tasks = [asyncio.create_task(late())]
    for _ in range(COMMITS):
        tasks.append(asyncio.create_task(accepted()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    database.release.set()
    last.set()
    async with asyncio.timeout(60):
        assert {answer for answer, _ in await asyncio.gather(*tasks)} == {Acceptance.KNOWN}


async def test_who_gives_up_takes_no_other_along(db: Database) -> None:
    commits, requests = SharedCommits(), fresh(8)
    tasks = [asyncio.create_task(commits.accept(db, request, b"digest", RECORD)) for request in requests]
    await asyncio.sleep(0)
    tasks[3].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers].count(asyncio.CancelledError) == 1
    assert [answer[0] for answer in answers if isinstance(answer, tuple)] == [Acceptance.ACCEPTED] * 7


async def test_all_hear_that_the_database_is_away(deaf_port: int) -> None:
    async with Database.pooled(f"host=127.0.0.1 port={deaf_port} dbname=scribe", 1, timeout=0.2) as away:
        commits = SharedCommits()
        answers = await asyncio.gather(
            *(commits.accept(away, request, b"digest", RECORD) for request in fresh(NUMBER)), return_exceptions=True
        )
    assert {type(answer) for answer in answers} == {Outage}
