"""Uploads whose time is over: parts, objects and rows go, but for the recording of a job."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from schemas.tenants.retention import RetentionRules
from schemas.wire.object_keys import tail_key, upload_key
from sink.jobs.intake import uploads
from sink.jobs.intake.uploads import NewUpload, Written
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Connection, Database
from sink.retention.leader import RetentionSession
from sink.retention.uploads import MARGIN_MINUTES
from sink.tenants import legal_holds
from streams.retention.orphans import Orphans
from streams.retention.sweep import Sweep

pytestmark = pytest.mark.anyio
PART = b"x" * 5_242_880
BEFORE = timedelta(minutes=-MARGIN_MINUTES - 1)


@pytest.fixture
async def session(db: Database) -> AsyncIterator[RetentionSession]:
    async with RetentionSession.open(db) as opened:
        yield opened


async def announced(connection: Connection, life: timedelta, *, tenant: str = "acme") -> UUID:
    upload = NewUpload(
        upload_id=uuid4(), tenant=tenant, name=None, metadata=None, size_bytes=6_000_000, is_presigned=False
    )
    assert await uploads.create(connection, upload, timedelta(hours=1), 10)
    await connection.execute(
        "UPDATE uploads SET expires_at = now() + %s WHERE upload_id = %s", [life, upload.upload_id]
    )
    return upload.upload_id


async def half_written(db: Database, store: S3ObjectStore, life: timedelta, *, tenant: str = "acme") -> UUID:
    """An upload with a part in the store, and the begin of the next one."""
    async with db.transaction() as connection:
        upload_id = await announced(connection, timedelta(hours=1), tenant=tenant)
        upload = await uploads.begin_writing(connection, tenant, upload_id, 0)
        assert upload
        parts_id = store.begin_parts(upload_key(tenant, upload_id), content_type="audio/wav")
        tag = store.put_part(upload_key(tenant, upload_id), parts_id, 1, PART)
        store.put(tail_key(tenant, upload_id, 2), b"x", content_type="audio/wav")
        assert await uploads.name_parts(connection, upload, parts_id)
        written = Written(
            numbers=[1], tags=[tag], received_bytes=len(PART) + 1, next_number=2, tail_bytes=1, is_end=True
        )
        assert await uploads.save(connection, upload, written)
        await connection.execute("UPDATE uploads SET expires_at = now() + %s WHERE upload_id = %s", [life, upload_id])
    return upload_id


async def rows(db: Database) -> set[UUID]:
    async with db.connection() as connection:
        return {
            row["upload_id"] for row in await (await connection.execute("SELECT upload_id FROM uploads")).fetchall()
        }


async def swept(db: Database, store: S3ObjectStore, session: RetentionSession) -> None:
    assert await Sweep(db, store, RetentionRules(), batch=2).run(session, asyncio.Event())


async def test_an_upload_whose_time_is_over_leaves_nothing(
    db: Database, object_store: S3ObjectStore, session: RetentionSession
) -> None:
    for _ in range(3):
        await half_written(db, object_store, BEFORE)
    kept = await half_written(db, object_store, timedelta(minutes=-1))  # a request may still work on it
    await swept(db, object_store, session)
    assert await rows(db) == {kept}
    assert list(object_store.keys("acme/")) == [tail_key("acme", kept, 2)]
    assert object_store.abort_uploads(datetime.now(UTC) + timedelta(hours=1)) == 1


async def test_the_recording_of_a_job_stays_and_an_unused_one_goes(
    db: Database, object_store: S3ObjectStore, session: RetentionSession
) -> None:
    async with db.transaction() as connection:
        used, unused = [await announced(connection, BEFORE) for _ in range(2)]
        await connection.execute(
            "INSERT INTO jobs (job_id, tenant, run, state, request, requested_at) VALUES (%s, 'acme', 1, 'queued',"
            " jsonb_build_object('source', jsonb_build_object('uri', %s::text)), now())",
            [uuid4(), f"upload://{used}"],
        )
    for upload_id in (used, unused):
        object_store.put(upload_key("acme", upload_id), b"RIFF", content_type="audio/wav")
    await swept(db, object_store, session)
    assert (await rows(db), list(object_store.keys("acme/"))) == (set(), [upload_key("acme", used)])


async def test_nothing_of_a_tenant_under_a_hold_goes(
    db: Database, object_store: S3ObjectStore, session: RetentionSession
) -> None:
    held = await half_written(db, object_store, BEFORE, tenant="globex")
    async with db.transaction() as connection:
        await legal_holds.set_hold(connection, "globex", None, "case 17", unknown_too=True)
    await swept(db, object_store, session)
    assert await rows(db) == {held}


async def test_the_begin_of_a_part_without_its_upload_is_an_orphan(
    db: Database, object_store: S3ObjectStore, session: RetentionSession
) -> None:
    object_store.put(tail_key("acme", uuid4(), 7), b"x", content_type="audio/wav")
    later = datetime.now(UTC) + timedelta(days=400)
    assert await Orphans(db, object_store, now=lambda: later).run(session, asyncio.Event())
    assert list(object_store.keys("")) == []
