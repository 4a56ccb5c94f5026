"""What the database knows of a job that waits: its outbox row, those before it, holds."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from schemas.events import Priority
from schemas.settings.stores import PostgresSettings
from schemas.topics import CONTROL, JOBS
from schemas.wire.records import Record
from sink.jobs import outbox
from sink.jobs.queries import JobRow, find_any
from sink.jobs.results import apply_progress, apply_request
from sink.jobs.unfinished.waiting import erased_at, holds_of, queued_before, state_since, unpublished
from sink.postgres.database import Connection, Database
from sink.retention.erasure import erase
from sink.tenants.legal_holds import set_hold
from tests.samples import AT
from tests.streams.jobs import Job, new_job

pytestmark = pytest.mark.anyio


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, db.session() as opened:
        yield opened


async def queued(connection: Connection, job: Job, run: int = 1, **changes: object) -> JobRow:
    await apply_request(connection, replace(job.request(run), **changes))  # type: ignore[arg-type]
    found = await find_any(connection, job.job_id)
    assert found is not None
    return found


async def test_records_of_a_job_wait_in_the_outbox_until_they_are_published(connection: Connection) -> None:
    job_id, other = uuid4(), uuid4()
    for topic, key in ((JOBS, job_id), (CONTROL, job_id), (JOBS, other)):
        await outbox.add(connection, Record(topic, str(key).encode(), b"x", {}))
    waiting = await unpublished(connection, job_id, refused_too=False)
    assert [(each.topic, each.is_job, each.is_order) for each in waiting] == [
        (JOBS, True, False),
        (CONTROL, False, True),
    ]
    await connection.execute("UPDATE outbox SET published_at = now() WHERE topic = %s", [CONTROL])
    await connection.execute(
        "UPDATE outbox SET failed_at = now(), failed_reason = 'too large' WHERE topic = %s", [JOBS]
    )
    assert await unpublished(connection, job_id, refused_too=False) == ()
    [refused] = await unpublished(connection, job_id, refused_too=True)
    assert (refused.topic, refused.failed_reason) == (JOBS, "too large")


async def test_only_jobs_of_the_same_tenant_and_queue_are_ahead(connection: Connection) -> None:
    first, second = await queued(connection, new_job()), await queued(connection, new_job(), 2)
    await queued(connection, new_job(tenant="globex"))
    await queued(connection, new_job(), priority=Priority.EXPRESS)
    assert [await queued_before(connection, job) for job in (first, second)] == [0, 1]
    assert await queued_before(connection, second, most=0) == 0


async def test_of_a_long_queue_no_more_rows_are_read_than_may(connection: Connection) -> None:
    """Those of other queues as well, for each row is read for its priority."""
    for _ in range(3):
        await queued(connection, new_job())
    express = await queued(connection, new_job(), 2, priority=Priority.EXPRESS)
    standard = await queued(connection, new_job(), 2)
    assert await queued_before(connection, express) == 0
    assert await queued_before(connection, express, looked_at=3) is None, "there may be more, of whatever queue"
    assert await queued_before(connection, standard, most=3, looked_at=3) == 3, "so many are enough"
    assert await queued_before(connection, standard, most=2) == 2


async def test_a_job_tells_since_when_it_is_in_its_state(connection: Connection) -> None:
    job = new_job()
    waiting = await queued(connection, job)
    assert await state_since(connection, waiting) == job.request().requested_at
    begun = AT + timedelta(days=1)
    await apply_progress(connection, replace(job.progress(1, 1), at=begun))
    assert await state_since(connection, waiting) == begun


async def test_holds_and_erasures_are_known(connection: Connection) -> None:
    job = new_job()
    row = await queued(connection, job)
    assert (await holds_of(connection, row), await erased_at(connection, job.job_id)) == ((), None)
    await set_hold(connection, job.tenant, job.job_id, "case 17")
    assert await holds_of(connection, row) == ("case 17",)
    other = new_job()
    await queued(connection, other)
    await erase(connection, other.tenant, other.job_id, "operator", datetime.now(UTC))
    assert await erased_at(connection, other.job_id) is not None
    assert await find_any(connection, other.job_id) is None
