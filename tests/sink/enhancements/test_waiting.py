"""What holds calls of the enhanced-AI service: each gate is met with a real row, and only what no gate holds is leased."""

import itertools
from collections.abc import AsyncIterator

import pytest

from schemas.process.wait_reasons import WaitReason
from schemas.settings.stores import PostgresSettings
from sink.enhancements.calls import lease
from sink.enhancements.waiting import CallGates, count_held, held_calls, reason_of
from sink.jobs.results import apply_request
from sink.postgres.database import Connection, Database
from tests.sink.enhancements.test_calls import LEASING, asked, ended
from tests.streams.jobs import new_job

pytestmark = pytest.mark.anyio
MIDNIGHT = "(date_trunc('day', now() AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC'"
FAULTS = {
    WaitReason.ENHANCEMENT_DUE: "",
    WaitReason.LEASE_HELD: "lease_token = gen_random_uuid(), lease_until = now() + interval '1 minute'",
    WaitReason.ENHANCEMENT_RETRY: "attempt = 1, next_attempt_at = now() + interval '1 minute'",
    WaitReason.ENHANCED_AI_AWAY: "next_attempt_at = now() + interval '15 seconds'",
    WaitReason.TOKENS_SPENT: f"next_attempt_at = {MIDNIGHT}",
}


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, db.session() as opened:
        yield opened


@pytest.mark.parametrize("reason", FAULTS)
async def test_a_call_names_the_gate_that_holds_it(connection: Connection, reason: WaitReason) -> None:
    # given: a call of a job that has ended, and what happened to it
    job = new_job()
    enhancement = await asked(connection, job)
    await ended(connection, job)
    if fault := FAULTS[reason]:
        await connection.execute(f"UPDATE enhancement_calls SET {fault}".encode())
    # then
    [call] = await held_calls(connection, job.job_id)
    assert (call.enhancement_id, call.reason) == (enhancement, reason)
    assert call.next_at is not None
    assert {found: number for found, (number, _) in (await count_held(connection)).items()} == {reason: 1}
    assert bool(await lease(connection, **LEASING)) == (reason is WaitReason.ENHANCEMENT_DUE)


async def test_a_call_waits_for_the_end_of_its_job(connection: Connection) -> None:
    job = new_job()
    await apply_request(connection, job.request())
    await asked(connection, job)
    [call] = await held_calls(connection, job.job_id)
    assert (call.reason, call.next_at) == (WaitReason.ENHANCEMENT_GATE, None)


def test_every_call_that_has_not_ended_has_a_reason() -> None:
    names = tuple(CallGates.__dataclass_fields__)
    found = {
        reason_of(CallGates(**dict(zip(names, flags, strict=True))))
        for flags in itertools.product((True, False), repeat=5)
    }
    assert found == {*FAULTS, WaitReason.ENHANCEMENT_GATE}
