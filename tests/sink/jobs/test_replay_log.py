"""The audit of records sent again: each once, each in a run of its own, whoever dies or asks at the same time."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from schemas.wire.headers import Origin
from sink.jobs.replay_log import (
    LAST_RUN,
    ReplayAction,
    ReplayCommand,
    ReplayEntry,
    ReplayRejection,
    ReplayRequest,
    command_lock,
    delete_intent,
    latest,
    mark_sent,
    record_intents,
    rejections,
)
from sink.jobs.results import apply_request
from sink.postgres.advisory_locks import REPLAY_BEFORE, KeyedLock
from sink.postgres.database import Database
from sink.retention.erasure import erase
from tests.samples import AT
from tests.streams.jobs import new_job

pytestmark = pytest.mark.anyio
PLACE = Origin("test.dlq", 0, 1)


def command(action: ReplayAction = ReplayAction.REDRIVE, *, force: bool = False) -> ReplayCommand:
    return ReplayCommand(action=action, replay_id=uuid4(), requested_by="operator", force=force)


async def ask(
    db: Database, asked: ReplayCommand, *requests: ReplayRequest
) -> tuple[dict[Origin, ReplayEntry], dict[Origin, ReplayRejection]]:
    return await db.run(lambda connection: record_intents(connection, asked, requests))


async def end(db: Database, *entries: ReplayEntry) -> None:
    await db.run(lambda connection: mark_sent(connection, entries))


def wish(place: Origin = PLACE, run: int | None = 1, **values: object) -> ReplayRequest:
    return ReplayRequest(**{"place": place, "at": AT, "tenant": "acme", "job_id": uuid4(), "run": run, **values})  # type: ignore[arg-type]


async def test_what_was_done_is_done_again_only_on_demand(db: Database) -> None:
    asked = wish()
    entries, refused = await ask(db, command(), asked)
    assert (entries[PLACE].run, entries[PLACE].number, refused) == (2, 1, {})
    await end(db, entries[PLACE])
    assert await ask(db, command(), asked) == ({}, {PLACE: ReplayRejection.DONE})
    assert (await ask(db, command(ReplayAction.DISCARD), asked))[1] == {PLACE: ReplayRejection.DONE}
    entries, _ = await ask(db, command(force=True), asked)
    assert (entries[PLACE].run, entries[PLACE].number) == (3, 2)


async def test_an_intent_without_its_end_is_brought_to_it_by_the_next_command(db: Database) -> None:
    """The one that died may have sent the record or not: the same run again is the same event."""
    asked = wish()
    died = command()
    first, _ = await ask(db, died, asked)
    async with command_lock(db, died.replay_id):
        assert await ask(db, command(), asked) == ({}, {PLACE: ReplayRejection.BUSY})
    async with asyncio.timeout(60):  # until the server has noticed that it is gone
        while (answer := await ask(db, command(), asked)) == ({}, {PLACE: ReplayRejection.BUSY}):
            await asyncio.sleep(0.02)
    second, refused = answer
    assert (second, refused) == (first, {})
    assert second[PLACE].replay_id == died.replay_id


@pytest.mark.parametrize("lock", [REPLAY_BEFORE, KeyedLock.REPLAY])
async def test_a_command_of_either_version_is_seen_at_work(db: Database, lock: KeyedLock) -> None:
    """During a rolling upgrade one of the version before has the lock of before."""
    asked, working = wish(), command()
    await ask(db, working, asked)
    async with db.session() as session:
        await session.execute(f"SELECT pg_advisory_lock({lock.key('%s')})".encode(), [str(working.replay_id)])
        assert await ask(db, command(), asked) == ({}, {PLACE: ReplayRejection.BUSY})


async def test_what_the_broker_refuses_was_not_done(db: Database) -> None:
    asked = wish()
    entries, _ = await ask(db, command(), asked)
    await db.run(lambda connection: delete_intent(connection, list(entries.values())))
    async with db.connection() as connection:
        assert await latest(connection, {PLACE: AT}) == {}


async def test_a_discard_is_done_at_once(db: Database) -> None:
    entries, _ = await ask(db, command(ReplayAction.DISCARD), wish(run=None, job_id=None, tenant=""))
    assert entries[PLACE].done_at is not None
    assert (await ask(db, command(), wish()))[1] == {PLACE: ReplayRejection.DONE}


async def test_replays_of_one_job_at_once_get_runs_of_their_own(db: Database) -> None:
    """Also beyond the run that the job has in the database, and while that has not ended."""
    job = new_job()
    await db.run(lambda connection: apply_request(connection, job.request(run=4)))
    asked = wish(job_id=job.job_id)
    assert await ask(db, command(ReplayAction.REPLAY), asked) == ({}, {PLACE: ReplayRejection.UNFINISHED})
    found = await asyncio.gather(*(ask(db, command(ReplayAction.REPLAY, force=True), asked) for _ in range(5)))
    assert sorted(entries[PLACE].run or 0 for entries, _ in found) == [5, 6, 7, 8, 9]
    again = command(ReplayAction.REPLAY, force=True)
    entries, _ = await ask(db, again, asked)
    assert (await ask(db, again, asked))[0] == entries
    await end(db, *entries.values())
    assert (await ask(db, again, asked))[1] == {PLACE: ReplayRejection.DONE}


async def test_a_replay_that_goes_on_knows_its_own_work_behind_that_of_another(db: Database) -> None:
    """The same record, replayed by somebody else meanwhile."""
    asked, first = wish(), command(ReplayAction.REPLAY)
    other = wish(Origin("test.dlq", 0, 2))
    begun, _ = await ask(db, first, asked, other)
    await end(db, begun[PLACE])
    second, _ = await ask(db, command(ReplayAction.REPLAY), asked, other)
    await end(db, *second.values())
    entries, refused = await ask(db, first, asked, other)
    assert (entries, refused) == ({other.place: begun[other.place]}, {PLACE: ReplayRejection.DONE})


async def test_erased_and_foreign_jobs_are_refused_and_may_be_discarded(db: Database) -> None:
    gone, foreign = new_job(), new_job(tenant="globex")
    for job in (gone, foreign):
        await db.run(partial(apply_request, request=job.request()))
    await db.run(lambda connection: erase(connection, "acme", gone.job_id, "operator", datetime.now(UTC)))
    there = Origin("test.dlq", 0, 2)
    requests = [wish(job_id=gone.job_id), wish(there, job_id=foreign.job_id)]
    expected = {PLACE: ReplayRejection.ERASED, there: ReplayRejection.FOREIGN}
    async with db.connection() as connection:
        assert await rejections(connection, command(), requests) == expected
    assert await ask(db, command(), *requests) == ({}, expected)
    assert (await ask(db, command(ReplayAction.DISCARD), *requests))[1] == {}


async def test_the_last_run_has_none_after_it(db: Database) -> None:
    entries, refused = await ask(db, command(), wish(run=LAST_RUN), wish(Origin("test.dlq", 0, 2)))
    assert (refused, len(entries)) == ({PLACE: ReplayRejection.NO_RUN}, 1)


async def test_a_topic_that_was_made_anew_has_other_records_at_the_same_places(db: Database) -> None:
    """What was done was done with a record of the old one; times that lie in the future are strangers'."""
    entries, _ = await ask(db, command(ReplayAction.DISCARD), wish())
    later = datetime.now(UTC) + timedelta(days=1)
    assert (await ask(db, command(), wish(at=later)))[1] == {PLACE: ReplayRejection.DONE}
    async with db.transaction() as connection:
        await connection.execute("UPDATE replayed_records SET at = at - interval '1 hour'")
    assert (await ask(db, command(), wish(at=AT)))[1] == {PLACE: ReplayRejection.DONE}
    again, refused = await ask(db, command(), wish(at=datetime.now(UTC)))
    assert (again[PLACE].number, refused) == (entries[PLACE].number + 1, {})


async def test_names_of_strangers_can_be_written(db: Database) -> None:
    entries, _ = await ask(db, command(), wish(tenant="a\x00b"))
    assert entries[PLACE].tenant == "a\ufffdb"
