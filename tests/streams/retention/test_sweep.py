"""What is over goes, class by class and tenant by tenant, and nothing else: on real PostgreSQL and a real object store."""

import asyncio
import copy
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from schemas.errors import Outage
from schemas.events import TenantPolicy
from schemas.tenants.retention import FOREVER, REPLAY_DAYS, RetentionRules
from schemas.wire.object_keys import audio_key, transcript_key, upload_key
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.retention import erasure, expiry
from sink.retention.leader import RetentionSession
from sink.tenants import legal_holds
from sink.tenants.policies import apply_policy
from streams.retention.sweep import Sweep
from tests.sink.bulk import Bulk, digest, fill, objects, traces

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture
async def session(db: Database) -> AsyncIterator[RetentionSession]:
    async with RetentionSession.open(db) as opened:
        yield opened


@pytest.fixture
def sweep(db: Database, object_store: S3ObjectStore) -> Sweep:
    return Sweep(db, object_store, RetentionRules(), batch=7)


async def swept(sweep: Sweep, session: RetentionSession) -> None:
    assert await sweep.run(session, asyncio.Event())


async def rule(db: Database, **days: int) -> None:
    async with db.transaction() as connection:
        await apply_policy(connection, TenantPolicy(tenant="acme", retention_days=days, at=NOW))


def count(dsn: str, query: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row
    return int(row[0])


async def test_jobs_that_are_over_leave_nothing_and_others_everything(
    database: str, object_store: S3ObjectStore, sweep: Sweep, session: RetentionSession
) -> None:
    over = fill(database, object_store, 20, days_ago(366))
    kept = fill(database, object_store, 5, days_ago(1))
    other = fill(database, object_store, 5, days_ago(1), tenant="globex")
    before = [digest(database, bulk) for bulk in (kept, other)]
    await swept(sweep, session)
    assert (traces(database, over), objects(object_store, over)) == ({}, [])
    assert [digest(database, bulk) for bulk in (kept, other)] == before
    for bulk in (kept, other):
        assert objects(object_store, bulk) == sorted(bulk.keys())
    assert count(database, "SELECT count(*) FROM erased_jobs WHERE NOT asked AND upload IS NULL") == 13
    await swept(sweep, session)
    assert [digest(database, bulk) for bulk in (kept, other)] == before


async def test_each_class_goes_at_its_own_time(
    database: str, object_store: S3ObjectStore, db: Database, sweep: Sweep, session: RetentionSession
) -> None:
    await rule(db, audio=1, artifacts=3, history=5, idempotency=7, deliveries=9, enhancements=11, transcripts=100)
    ages = {name: fill(database, object_store, 4, days_ago(age)) for name, age in AGES.items()}
    await swept(sweep, session)
    kinds = {name: kinds_of(object_store, bulk) for name, bulk in ages.items()}
    assert kinds == {
        "fresh": {"uploads", "audio", "claims", "transcripts"},
        "audio": {"claims", "transcripts"},
        "artifacts": {"transcripts"},
        "history": {"transcripts"},
        "idempotency": {"transcripts"},
        "deliveries": {"transcripts"},
        "enhancements": {"transcripts"},
    }
    all_tables = {
        "jobs",
        "segments",
        "segment_search",
        "transcript_revisions",
        "job_events",
        "applied_events",
        "outbox",
        "webhook_deliveries",
        "webhook_attempts",
        "enhancement_answers",
        "enhancements",
        "replayed_records",
    }
    left = {name: set(digest(database, bulk)) for name, bulk in ages.items()}
    assert left["fresh"] == left["audio"] == left["artifacts"] == all_tables
    assert left["history"] == left["idempotency"] == all_tables - {"job_events"}
    assert left["deliveries"] == all_tables - {"job_events"}
    assert left["enhancements"] == all_tables - {"job_events", "enhancements", "enhancement_answers"}
    for name, fingerprints, cleared in (("history", 4, 0), ("idempotency", 0, 0), ("deliveries", 0, 4)):
        ids = ",".join(f"'{job_id}'" for job_id in ages[name].job_ids)
        assert count(database, f"SELECT count(fingerprint) FROM jobs WHERE job_id IN ({ids})") == fingerprints
        query = f"SELECT count(*) FROM webhook_deliveries WHERE job_id IN ({ids}) AND cleared_at IS NOT NULL"
        assert count(database, f"{query} AND payload = '{{}}' AND state = 'delivered'") == cleared


AGES = {"fresh": 0.5, "audio": 2, "artifacts": 4, "history": 6, "idempotency": 8, "deliveries": 10, "enhancements": 12}


def kinds_of(store: S3ObjectStore, bulk: Bulk) -> set[str]:
    """What kinds of objects are left."""
    return {"uploads" if "/uploads/" in key else key.split("/")[2] for key in objects(store, bulk)}


async def test_a_tenant_may_keep_for_ever_what_the_service_does_not(
    database: str, object_store: S3ObjectStore, db: Database, sweep: Sweep, session: RetentionSession
) -> None:
    await rule(
        db, **dict.fromkeys(("audio", "artifacts", "transcripts", "idempotency", "deliveries", "history"), FOREVER)
    )
    kept = fill(database, object_store, 3, days_ago(3000))
    over = fill(database, object_store, 3, days_ago(3000), tenant="globex")
    await swept(sweep, session)
    assert objects(object_store, kept) == sorted(kept.keys())
    assert count(database, "SELECT count(*) FROM jobs") == 3
    assert traces(database, over) == {}


async def test_what_is_held_stays_until_it_is_released(
    database: str, object_store: S3ObjectStore, db: Database, sweep: Sweep, session: RetentionSession
) -> None:
    """A job, or all of a tenant."""
    one = fill(database, object_store, 4, days_ago(400))
    all_of = fill(database, object_store, 4, days_ago(400), tenant="globex")
    async with db.transaction() as connection:
        await legal_holds.set_hold(connection, "acme", one.job_ids[0], "case 17")
        await legal_holds.set_hold(connection, "globex", None, "case 18")
    await swept(sweep, session)
    assert count(database, "SELECT count(*) FROM jobs WHERE tenant = 'acme'") == 1
    assert len(objects(object_store, one)) == 3
    assert objects(object_store, all_of) == sorted(all_of.keys())
    assert count(database, "SELECT count(*) FROM webhook_attempts") == 2 + 8
    async with db.transaction() as connection:
        assert await legal_holds.release_hold(connection, "acme", one.job_ids[0])
        assert await legal_holds.release_hold(connection, "globex", None)
    await swept(sweep, session)
    for bulk in (one, all_of):
        assert (traces(database, bulk), objects(object_store, bulk)) == ({}, [])


async def test_a_job_without_an_end_is_over_when_nothing_of_it_can_come_any_more(
    database: str, object_store: S3ObjectStore, sweep: Sweep, session: RetentionSession
) -> None:
    running = fill(database, object_store, 3, days_ago(REPLAY_DAYS + 29), ended=False)
    abandoned = fill(database, object_store, 3, days_ago(366 + REPLAY_DAYS), ended=False)
    await swept(sweep, session)
    assert objects(object_store, running) == sorted(running.keys())
    assert (traces(database, abandoned), objects(object_store, abandoned)) == ({}, [])


async def test_an_end_that_a_stranger_dates_neither_hastens_nor_stops_the_time(
    database: str, object_store: S3ObjectStore, sweep: Sweep, session: RetentionSession
) -> None:
    early, late = (fill(database, object_store, 3, days_ago(400)) for _ in range(2))
    with psycopg.connect(database) as connection:
        for column, at, bulk in (("updated_at", NOW, early), ("completed_at", days_ago(-3000), late)):
            connection.execute(
                f"UPDATE jobs SET {column} = %s WHERE job_id = ANY(%s)".encode(), [at, list(bulk.job_ids)]
            )
    await swept(sweep, session)
    assert len(objects(object_store, early)) == len(early.keys())
    assert (traces(database, late), objects(object_store, late)) == ({}, [])


async def test_a_recording_that_a_younger_job_uses_too_stays_as_long_as_it(
    database: str, object_store: S3ObjectStore, sweep: Sweep, session: RetentionSession
) -> None:
    upload = uuid4()
    fill(database, object_store, 1, days_ago(400), uploads=[upload])
    fill(database, object_store, 1, days_ago(40), uploads=[upload])
    young = fill(database, object_store, 1, days_ago(20), uploads=[upload])
    await swept(sweep, session)
    assert object_store.info(upload_key("acme", upload)) is not None
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE jobs SET completed_at = %(at)s, updated_at = %(at)s", {"at": days_ago(31)})
    await swept(sweep, session)
    assert object_store.info(upload_key("acme", upload)) is None
    assert objects(object_store, young) == [transcript_key("acme", young.job_ids[0], 1)]


async def test_recordings_of_a_later_run_go_again(
    database: str, object_store: S3ObjectStore, sweep: Sweep, session: RetentionSession
) -> None:
    bulk = fill(database, object_store, 2, days_ago(40))
    await swept(sweep, session)
    key = audio_key("acme", bulk.job_ids[1], "ab" * 32)
    object_store.put(key, b"again", content_type="audio/ogg")
    await swept(sweep, session)
    assert object_store.info(key) is not None
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE jobs SET run = 2")
    await swept(sweep, session)
    assert object_store.info(key) is None


async def test_ended_deliveries_keep_their_ids_as_long_as_their_event_may_come_again(
    database: str, db: Database, sweep: Sweep, session: RetentionSession
) -> None:
    await rule(db, transcripts=FOREVER)
    fill(database, None, 2, days_ago(31))
    fill(database, None, 2, days_ago(31 + REPLAY_DAYS))
    await swept(sweep, session)
    states = "SELECT count(*) FROM webhook_deliveries WHERE state = '{}'"
    assert (count(database, states.format("delivered")), count(database, states.format("pending"))) == (2, 4)
    assert count(database, "SELECT count(*) FROM webhook_attempts") == 4


async def test_what_is_kept_as_long_for_all_tenants_goes_too(
    database: str, db: Database, sweep: Sweep, session: RetentionSession
) -> None:
    await rule(db, transcripts=FOREVER)
    fill(database, None, 3, days_ago(44))
    fill(database, None, 10, days_ago(46))
    await swept(sweep, session)
    assert count(database, "SELECT count(*) FROM applied_events") == 3
    assert count(database, "SELECT count(*) FROM outbox WHERE failed_at IS NOT NULL") == 0


class Failing(S3ObjectStore):
    """The real store, away when it is told to be."""

    erasures_left = 10**9

    def erase(self, prefix: str, spare: tuple[str, ...] = ()) -> int:
        self.erasures_left -= 1
        if self.erasures_left < 0:
            raise Outage("the object store is away")
        return super().erase(prefix, spare)


async def test_what_a_store_that_goes_away_leaves_is_found_by_the_next_sweep(
    database: str, object_store: S3ObjectStore, db: Database, session: RetentionSession
) -> None:
    """Rows name their objects until these are gone, whatever was deleted before."""
    over, artifacts = fill(database, object_store, 20, days_ago(400)), fill(database, object_store, 20, days_ago(40))
    store = copy.copy(object_store)
    store.__class__ = Failing
    sweep = Sweep(db, store, RetentionRules(), batch=7)
    for left in (0, 5, 30):
        store.erasures_left = left  # type: ignore[attr-defined]
        assert not await sweep.run(session, asyncio.Event())
        assert sweep.waiting == "the object store is away"
    store.erasures_left = 10**9  # type: ignore[attr-defined]
    await swept(sweep, session)
    assert (sum(traces(database, over).values()), objects(object_store, over)) == (0, [])
    assert all("/transcripts/" in key for key in objects(object_store, artifacts))


async def test_a_run_that_begins_while_its_history_is_forgotten_keeps_its_own(
    database: str, db: Database, session: RetentionSession
) -> None:
    """What was found as over is looked at again under the row's lock."""
    bulk = fill(database, None, 1, days_ago(400))
    await rule(db, transcripts=FOREVER)
    begin = "UPDATE jobs SET run = 2, state = 'queued', completed_at = NULL, updated_at = now() WHERE job_id = %s"
    note = "INSERT INTO job_events (job_id, run, state, at) VALUES (%s, 2, 'queued', now())"
    with psycopg.connect(database) as redrive:
        redrive.execute(begin, [bulk.job_ids[0]])
        redrive.execute(note, [bulk.job_ids[0]])
        async with asyncio.TaskGroup() as group, db.transaction() as connection:
            forgetting = group.create_task(
                expiry.forget_history(connection, tenant="acme", cutoff=days_ago(365), limit=10)
            )
            await asyncio.sleep(0.2)  # it waits for the row
            assert not forgetting.done()
            redrive.commit()
            assert await forgetting == expiry.Batch(0, 0)
    assert count(database, "SELECT count(*) FROM job_events WHERE run = 2") == 1
    assert count(database, "SELECT history_gone FROM jobs") == 0


async def test_a_tenant_that_has_calls_only_is_swept_too(database: str, db: Database) -> None:
    fill(database, None, 1, days_ago(400), tenant="globex")
    async with db.transaction() as connection:
        await connection.execute("DELETE FROM jobs")
        assert list(await expiry.tenants(connection)) == ["globex"]


async def test_tombstones_go_when_nothing_can_come_any_more_and_evidence_later(
    database: str, object_store: S3ObjectStore, db: Database, session: RetentionSession
) -> None:
    bulk = fill(database, object_store, 2, days_ago(1))
    async with db.transaction() as connection:
        asked = await erasure.erase(connection, "acme", bulk.job_ids[0], "key", NOW)
    assert asked.done_at is None
    clock = [NOW]
    sweep = Sweep(db, object_store, RetentionRules({"transcripts": FOREVER}), now=lambda: clock[0])
    left = []
    for days in (0, REPLAY_DAYS - 1, REPLAY_DAYS + 0.1, 1096):
        clock[0] = NOW + timedelta(days=days)
        await swept(sweep, session)
        left.append(
            (count(database, "SELECT count(*) FROM erased_jobs"), count(database, "SELECT count(*) FROM erasures"))
        )
    assert left == [(1, 1), (1, 1), (0, 1), (0, 0)]


async def test_objects_that_are_written_after_an_erasure_go_too(
    database: str, object_store: S3ObjectStore, db: Database, session: RetentionSession
) -> None:
    """A GPU process that was at work knows nothing of it."""
    bulk = fill(database, object_store, 1, days_ago(1))
    clock = [NOW]
    sweep = Sweep(db, object_store, RetentionRules(), now=lambda: clock[0])
    async with db.transaction() as connection:
        await erasure.erase(connection, "acme", bulk.job_ids[0], "key", NOW)
    await sweep.recheck(asyncio.Event())
    late = audio_key("acme", bulk.job_ids[0], "cd" * 32)
    for hours in (0.9, 1.1, 25, 7 * 24 + 1, REPLAY_DAYS * 24 + 1):
        object_store.put(late, b"late", content_type="audio/ogg")
        clock[0] = NOW + timedelta(hours=hours)
        await sweep.recheck(asyncio.Event())
        assert (object_store.info(late) is None) == (hours > 1), hours
    async with db.connection() as connection:
        found = await erasure.find_erasure(connection, "acme", bulk.job_ids[0])
    assert found == replace(found, objects=len(bulk.keys()) + 4)  # type: ignore[type-var]
