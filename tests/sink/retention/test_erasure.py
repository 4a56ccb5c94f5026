"""Erasure on request: all rows at once, evidence, and nothing that comes later brings the job back."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from schemas.errors import Permanent
from schemas.tenants.retention import LONGEST_TOPIC_DAYS
from sink.jobs import queries
from sink.jobs.results import apply_request, apply_result
from sink.jobs.runs import Effect
from sink.postgres.database import Database
from sink.retention.erasure import (
    Erasure,
    due_rechecks,
    erase,
    extend_tombstone,
    find_erasure,
    jobs_of_recording,
    record_check,
)
from sink.retention.expiry import expire_jobs
from sink.tenants.legal_holds import set_hold
from sink.webhooks.deliveries import NewDelivery, Scheduling, add, endpoint_id
from tests.sink.bulk import URL, fill, traces
from tests.streams.jobs import new_job

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)


async def erased(db: Database, tenant: str, job_id: object, now: datetime = NOW) -> Erasure:
    return await db.run(lambda connection: erase(connection, tenant, job_id, "key-1", now))  # type: ignore[arg-type]


@pytest.mark.parametrize("ended", [True, False])
async def test_a_job_is_gone_with_all_its_rows_and_the_evidence_counts_them(
    database: str, db: Database, ended: bool
) -> None:
    bulk = fill(database, None, 2, NOW, ended=ended)
    gone, other = bulk.job_ids
    evidence = await erased(db, "acme", gone)
    assert evidence.rows == {
        "webhook_attempts": 2,
        "webhook_deliveries": 2,
        "enhancement_answers": 1,
        "enhancement_calls": 1,
        "enhancements": 1,
        "outbox": 2,
        "applied_events": 1,
        "segment_search": 3,
        "transcript_revisions": 1,
        "segments": 3,
        "job_events": 2,
        "replayed_records": 1,
        "jobs": 1,
    }
    assert (evidence.asked_by, evidence.done_at, evidence.objects) == ("key-1", None, 0)
    assert evidence.last_copy_expires_at == NOW + timedelta(days=LONGEST_TOPIC_DAYS)
    async with db.connection() as connection:
        assert await queries.find(connection, gone, "acme") is None
        assert await queries.find(connection, other, "acme") is not None
        (check,) = await due_rechecks(connection, NOW, 10)
    assert (check.job_id, check.tenant, check.upload, check.asked) == (gone, "acme", bulk.uploads[gone].hex, True)
    assert traces(database, type(bulk)("acme", str(gone), (gone,), {})) == {}


async def test_asked_again_it_answers_with_what_was_done(database: str, db: Database) -> None:
    job_id = fill(database, None, 1, NOW).job_ids[0]
    first = await erased(db, "acme", job_id)
    assert await erased(db, "acme", job_id, NOW + timedelta(hours=1)) == first
    async with db.transaction() as connection:
        (check,) = await due_rechecks(connection, NOW, 10)
        await record_check(connection, check, 3, NOW + timedelta(seconds=5))
    again = await erased(db, "acme", job_id, NOW + timedelta(hours=1))
    assert (again.done_at, again.objects) == (NOW + timedelta(seconds=5), 3)


async def test_nobody_erases_a_job_of_another_tenant_or_one_that_is_unknown(database: str, db: Database) -> None:
    job_id = fill(database, None, 1, NOW).job_ids[0]
    for tenant, wanted in (("globex", job_id), ("acme", uuid4())):
        with pytest.raises(Permanent) as caught:
            await erased(db, tenant, wanted)
        assert caught.value.code == "not_found"
    await erased(db, "acme", job_id)
    async with db.connection() as connection:
        assert await find_erasure(connection, "globex", job_id) is None


@pytest.mark.parametrize("whole", [True, False])
async def test_what_is_held_is_not_erased(database: str, db: Database, whole: bool) -> None:
    job_id = fill(database, None, 1, NOW).job_ids[0]
    async with db.transaction() as connection:
        await set_hold(connection, "acme", None if whole else job_id, "a secret case")
    with pytest.raises(Permanent, match="is held since") as caught:
        await erased(db, "acme", job_id)
    assert (caught.value.code, caught.value.spec.status) == ("held", 409)
    assert "secret" not in caught.value.message
    async with db.connection() as connection:
        assert await queries.find(connection, job_id, "acme") is not None


async def test_nothing_that_comes_later_brings_it_back(database: str, db: Database) -> None:
    """Its request, its result, its webhook: each is another copy, whose end the evidence then names."""
    job = new_job()
    endpoint = endpoint_id("acme", URL)
    fill(database, None, 1, NOW)
    await db.run(lambda connection: apply_request(connection, job.request()))
    await erased(db, "acme", job.job_id)
    new = NewDelivery(event_id=uuid4(), job_id=job.job_id, type="job.completed", payload={"a": "b"}, asked=b"x")
    later = NOW + timedelta(days=3)
    async with db.transaction() as connection:
        assert await apply_request(connection, job.request(run=2)) is Effect.ERASED
        assert await apply_result(connection, job.result(), None) is Effect.ERASED
        assert await add(connection, endpoint, new) is Scheduling.ERASED
        await extend_tombstone(connection, job.job_id, later)
    async with db.connection() as connection:
        assert await queries.find(connection, job.job_id, "acme") is None
        evidence = await find_erasure(connection, "acme", job.job_id)
    assert evidence is not None
    assert evidence.last_copy_expires_at == later + timedelta(days=LONGEST_TOPIC_DAYS)


async def test_an_event_that_comes_while_objects_are_deleted_has_them_looked_for_again(
    database: str, db: Database
) -> None:
    job_id = fill(database, None, 1, NOW).job_ids[0]
    await erased(db, "acme", job_id)
    async with db.transaction() as connection:
        (check,) = await due_rechecks(connection, NOW, 10)
        await extend_tombstone(connection, job_id, NOW + timedelta(seconds=1))
        await record_check(connection, check, 1, NOW + timedelta(seconds=2))
        assert len(await due_rechecks(connection, NOW + timedelta(seconds=3), 10)) == 1


async def test_what_retention_took_before_is_evidence_too(database: str, db: Database) -> None:
    job_id = fill(database, None, 1, NOW - timedelta(days=400)).job_ids[0]
    cutoff = NOW - timedelta(days=365)
    batch = await db.run(lambda connection: expire_jobs(connection, "acme", cutoff, NOW, 10))
    assert batch.found == 1
    evidence = await erased(db, "acme", job_id)
    assert evidence.rows == {}


async def test_every_job_of_a_recording_is_found(database: str, db: Database) -> None:
    bulk = fill(database, None, 2, NOW)
    async with db.connection() as connection:
        assert await jobs_of_recording(connection, "acme", f"{bulk.mark}{bulk.job_ids[1]}") == (bulk.job_ids[1],)
        assert await jobs_of_recording(connection, "globex", f"{bulk.mark}{bulk.job_ids[1]}") == ()
