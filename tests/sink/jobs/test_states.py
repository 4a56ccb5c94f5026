"""Counts of all jobs: each job in one state, and all of them together as many as there are."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas.events import TenantPolicy
from schemas.settings.stores import PostgresSettings
from schemas.tenants.quotas import MOST_QUEUED, TOKENS_PER_DAY
from schemas.vocabulary.job_states import JOB_STATES
from schemas.vocabulary.scheduling import UNKNOWN_SECONDS
from schemas.wire.records import Record
from sink.jobs.intake import acceptance
from sink.jobs.states import count_jobs
from sink.postgres.database import Database
from sink.tenants.full_quotas import count_full
from sink.tenants.policies import apply_policy
from tests.samples import AT, BARE_REQUEST

pytestmark = pytest.mark.anyio
RECORD = Record("scribe.jobs", b"key", b"value", {"ce_id": "1"})


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as opened:
        yield opened


async def submit(db: Database, tenant: str = "acme", **columns: Any) -> None:
    """A job with these columns, whatever the persist app would have made of it."""
    request = replace(BARE_REQUEST, job_id=uuid4(), tenant=tenant, requested_at=datetime.now(UTC))
    await acceptance.accept(db, request, b"digest", RECORD)
    async with db.transaction() as connection:
        for name, value in columns.items():
            await connection.execute(f"UPDATE jobs SET {name} = %s WHERE job_id = %s", [value, request.job_id])


async def test_every_job_is_counted_once(db: Database) -> None:
    for state in JOB_STATES:
        await submit(db, state=state)
    await submit(db, state="failed", error='{"kind": "expired", "code": "expired", "message": ""}')
    await submit(db, state="failed", error='{"kind": "media", "code": "no_audio", "message": ""}')
    async with db.connection() as connection:
        counts = await count_jobs(connection)
    assert counts.states == {"waiting": 1, "running": 2, "completed": 1, "failed": 2, "expired": 1, "cancelled": 1}
    assert counts.accepted == sum(counts.states.values()) == 8


async def test_without_jobs_every_count_is_zero(db: Database) -> None:
    async with db.connection() as connection:
        counts = await count_jobs(connection)
        assert set((await count_full(connection)).values()) == {0}
    assert (counts.accepted, set(counts.states.values())) == (0, {0})
    assert {*counts.oldest_seconds.values(), *counts.audio_seconds.values()} == {0.0}


async def test_audio_that_is_pending_is_what_is_left_of_it(db: Database) -> None:
    """Of a running job what is not done; of a waiting one what its size says, or a minute; of an ended one nothing."""
    await submit(db, state="transcribing", total_seconds=100, done_seconds=30)
    await submit(db, state="diarizing", total_seconds=50, done_seconds=80)
    await submit(db)
    await submit(db, request='{"source": {"size_bytes": 1600000}}')
    await submit(db, request='{"source": {"size_bytes": 9000000000000000}}')
    await submit(db, state="completed", total_seconds=100, done_seconds=0)
    async with db.connection() as connection:
        counts = await count_jobs(connection)
    assert counts.audio_seconds == {"waiting": UNKNOWN_SECONDS + 100 + 43_200, "running": 70}


async def test_the_oldest_job_is_told_by_state(db: Database) -> None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    await submit(db, requested_at=hour_ago)
    await submit(db)
    await submit(db, state="completed", requested_at=hour_ago - timedelta(days=1))
    async with db.connection() as connection:
        oldest = (await count_jobs(connection)).oldest_seconds
    assert 3_600 <= oldest["waiting"] < 3_700
    assert oldest["running"] == 0


async def test_tenants_at_their_quotas_are_counted(db: Database) -> None:
    """One that has none never is."""
    quotas = {"at": {MOST_QUEUED: 2, TOKENS_PER_DAY: 10}, "below": {MOST_QUEUED: 3}, "free": {}}
    async with db.transaction() as connection:
        for tenant, quota in quotas.items():
            await apply_policy(connection, TenantPolicy(tenant=tenant, at=AT, quotas=quota))
        await connection.execute(
            "INSERT INTO enhanced_ai_spending (tenant, day, tokens) VALUES ('at', (now() AT TIME ZONE 'UTC')::date, 10)"
        )
    for tenant in quotas:
        for _ in range(2):
            await submit(db, tenant)
    async with db.connection() as connection:
        assert await count_full(connection) == {MOST_QUEUED: 1, TOKENS_PER_DAY: 1}
