"""Revisions in the database: whose they are, in which order they are numbered, and what the index of words makes of them."""

from uuid import UUID, uuid4

import psycopg
import pytest

from schemas.errors import Rejected
from schemas.requests.revisions.changes import MAX_REVISIONS_BYTES, SegmentEdit, TranscriptChanges
from sink.jobs.queries import find as find_job
from sink.jobs.transcripts.revisions import add_revision, find_locked, last_revision, list_revisions, revisions_of
from sink.jobs.transcripts.search import index_missing
from sink.postgres.database import Database
from tests.sink.jobs.searching import find, positions, write

pytestmark = pytest.mark.anyio


async def revise(db: Database, job_id: UUID, text: str, tenant: str = "acme") -> int:
    """Correct the first segment, in a transaction of the tenant; returns the number of the revision."""
    async with db.as_tenant(tenant, writing=True) as connection:
        job = await find_locked(connection, job_id, tenant)
        assert job is not None
        changes = TranscriptChanges({"A": "Anna"}, (SegmentEdit(index=0, text=text),))
        return (await add_revision(connection, job, "key", changes)).number


async def test_revisions_are_numbered_and_read_in_their_order(db: Database) -> None:
    job_id = await write(db, ["refund", "policy"])
    assert [await revise(db, job_id, text) for text in ("one", "two")] == [1, 2]
    async with db.as_tenant("acme") as connection:
        job = await find_job(connection, job_id, "acme")
        assert job is not None
        made = await revisions_of(connection, job)
        listed = await list_revisions(connection, job_id, None, 9)
    assert [revision.changes.segments[0].text for revision in made] == ["one", "two"]
    assert [revision.number for revision in listed] == [2, 1]
    assert await last_revision(db, job_id, "acme") == 2
    assert await last_revision(db, job_id, "globex") == await last_revision(db, uuid4(), "acme") == 0


async def test_only_the_revisions_that_are_wanted_are_read(db: Database) -> None:
    job_id = await write(db, ["refund"])
    for text in ("one", "two", "three"):
        await revise(db, job_id, text)
    async with db.as_tenant("acme") as connection:
        job = await find_job(connection, job_id, "acme")
        assert job is not None
        assert [revision.number for revision in await revisions_of(connection, job, 2)] == [1, 2]


async def test_what_a_reading_of_a_run_holds_is_bounded(db: Database) -> None:
    """By its size before it is compressed, as it is when it is read; the one that is too many is not written."""
    job_id, text = await write(db, ["refund"]), "x" * (MAX_REVISIONS_BYTES // 4)
    for _ in range(3):
        await revise(db, job_id, text)
    with pytest.raises(Rejected, match=f"run 1 would have more than {MAX_REVISIONS_BYTES} bytes"):
        await revise(db, job_id, text)
    assert await last_revision(db, job_id, "acme") == 3
    assert await revise(db, job_id, "small") == 4


async def test_nobody_sees_or_makes_revisions_of_anothers_job(db: Database) -> None:
    job_id = await write(db, ["refund"])
    await revise(db, job_id, "rebate")
    async with db.as_tenant("globex", writing=True) as connection:
        assert await find_locked(connection, job_id, "globex") is None
        assert await list_revisions(connection, job_id, None, 9) == []
    query = "INSERT INTO transcript_revisions (job_id, number, run, tenant, key_id, changes) VALUES (%s, 2, 1, 'acme', 'k', '{}')"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with db.as_tenant("globex", writing=True) as connection:
            await connection.execute(query, [job_id])


async def test_a_row_in_anothers_name_changes_nothing_of_the_search(db: Database) -> None:
    """The trigger writes as the owner of the tables, so it looks itself whose segments they are."""
    job_id = await write(db, ["refund"])
    changes = '{"speakers": {}, "segments": [{"index": 0, "text": "planted"}]}'
    query = "INSERT INTO transcript_revisions (job_id, number, run, tenant, key_id, changes) VALUES (%s, 1, 1, 'globex', 'k', %s)"
    async with db.as_tenant("globex", writing=True) as connection:
        await connection.execute(query, [job_id, changes])
    assert (await positions(db, "planted"), await positions(db, "refund")) == ([], [0])


async def test_an_index_that_is_made_anew_has_the_corrected_words(db: Database) -> None:
    job_id = await write(db, ["refund", "policy"])
    await revise(db, job_id, "rebate")
    async with db.transaction() as connection:
        await connection.execute("DELETE FROM segment_search")
    assert await index_missing(db) == 2
    assert (await positions(db, "refund"), await positions(db, "rebate"), await positions(db, "policy")) == (
        [],
        [0],
        [1],
    )
    assert [hit.speaker for hit in (await find(db, "policy")).hits] == ["Anna"]


async def test_a_segment_keeps_the_way_of_its_language(db: Database) -> None:
    job_id = await write(db, ["a refund"], languages=["he"])
    await revise(db, job_id, "ושבבית")
    assert await positions(db, "בית") == [0]
