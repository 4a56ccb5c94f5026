"""Objects that nobody knows of: found by name and age, and nothing that could still be somebody's is touched."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from schemas.errors import Permanent
from schemas.tenants.retention import REPLAY_DAYS, UPLOAD_DAYS
from schemas.wire.object_keys import audio_key, claim_key, upload_key
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.retention import erasure
from sink.retention.leader import RetentionSession
from sink.tenants import legal_holds
from streams.retention.orphans import Orphans
from tests.sink.bulk import fill, objects

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)


@pytest.fixture
async def session(db: Database) -> AsyncIterator[RetentionSession]:
    async with RetentionSession.open(db) as opened:
        yield opened


async def run(db: Database, store: S3ObjectStore, session: RetentionSession, days: float) -> None:
    """As if so many days had passed since everything was written."""
    orphans = Orphans(db, store, now=lambda: NOW + timedelta(days=days))
    assert await orphans.run(session, asyncio.Event())


async def test_what_no_job_knows_of_goes_when_none_can_come_any_more(
    database: str, object_store: S3ObjectStore, db: Database, session: RetentionSession
) -> None:
    known = fill(database, object_store, 4, NOW)
    gone = fill(database, None, 1, NOW)
    async with db.transaction() as connection:
        await erasure.erase(connection, "acme", gone.job_ids[0], "key", NOW)
    tombstoned = claim_key("acme", gone.job_ids[0], uuid4())
    upload, job = upload_key("acme", uuid4()), audio_key("acme", uuid4(), "ab" * 32)
    own = ["acme/recordings/call.wav", f"acme/{uuid4()}/notes/a.txt", "acme/uploads/readme.txt", "NOT-OURS/uploads/x"]
    for key in (upload, job, tombstoned, *own):
        object_store.put(key, b"x", content_type="text/plain")
    stays = {*known.keys(), tombstoned, *own}
    await run(db, object_store, session, UPLOAD_DAYS - 1)
    assert set(object_store.keys("")) == {*stays, upload, job}
    await run(db, object_store, session, UPLOAD_DAYS + 1)
    assert set(object_store.keys("")) == {*stays, job}
    await run(db, object_store, session, REPLAY_DAYS + 1)
    assert set(object_store.keys("")) == stays


async def test_what_a_held_tenant_has_stays(
    object_store: S3ObjectStore, db: Database, session: RetentionSession
) -> None:
    keys = [upload_key("acme", uuid4()), audio_key("acme", uuid4(), "ab" * 32)]
    for key in keys:
        object_store.put(key, b"x", content_type="text/plain")
    async with db.transaction() as connection:
        await legal_holds.set_hold(connection, "acme", None, "case", unknown_too=True)
    await run(db, object_store, session, 1000)
    assert sorted(object_store.keys("")) == sorted(keys)


@pytest.mark.parametrize("form", ["{}", "{{{}}}", "urn:uuid:{}"])
async def test_an_upload_is_known_however_its_id_is_written(
    database: str, object_store: S3ObjectStore, db: Database, session: RetentionSession, form: str
) -> None:
    """As the transcribers read it too."""
    upload = UUID("abcdefab-cdef-4bcd-8fab-cdefabcdefab")
    written = form.format(str(upload).upper() if form == "{}" else upload)
    assert UUID(written) == upload
    bulk = fill(database, object_store, 1, NOW, uploads=[upload])
    async with db.transaction() as connection:
        await connection.execute(
            "UPDATE jobs SET request = jsonb_set(request, '{source,uri}', to_jsonb(%s::text))", [f"upload://{written}"]
        )
    await run(db, object_store, session, UPLOAD_DAYS + 1)
    assert upload_key("acme", upload) in objects(object_store, bulk)


async def test_uploads_in_parts_that_were_never_finished_end(
    object_store: S3ObjectStore, db: Database, session: RetentionSession
) -> None:
    client = object_store._client
    client.create_multipart_upload(Bucket=object_store.bucket, Key="acme/uploads/half")

    def open_ones() -> int:
        return len(client.list_multipart_uploads(Bucket=object_store.bucket).get("Uploads", []))

    await run(db, object_store, session, 1)
    assert open_ones() == 1
    await run(db, object_store, session, 3)
    assert open_ones() == 0


async def test_uploads_that_cannot_be_ended_stop_nothing_else(
    object_store: S3ObjectStore, db: Database, session: RetentionSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every store knows the request."""

    def unknown(_: datetime) -> int:
        raise Permanent("internal", "NotImplemented")

    monkeypatch.setattr(object_store, "abort_uploads", unknown)
    object_store.put(upload_key("acme", uuid4()), b"x", content_type="text/plain")
    orphans = Orphans(db, object_store, now=lambda: NOW + timedelta(days=UPLOAD_DAYS + 1))
    assert not await orphans.run(session, asyncio.Event())
    assert list(object_store.keys("acme/")) == []
