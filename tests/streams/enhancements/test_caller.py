"""Enhancements on real PostgreSQL and a real service: what is asked, what is paid, what is told, and what never leaves."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from deploy.local.extractive_ai import MODEL, ExtractiveService, Fault
from schemas.errors import Permanent
from schemas.events import EnhancementRequest, EnhancementResult, Outcome, TenantPolicy
from schemas.process.wait_reasons import WaitReason
from schemas.retries.backoff import Backoff
from schemas.tenants.quotas import TOKENS_PER_DAY
from schemas.wire.serde import Serde
from sink.enhancements import requests
from sink.enhancements.requests import EnhancementRow
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.process.cancellation import cancel_until_done
from sink.tenants.policies import apply_policy
from streams.agents.enhance import Enhance
from streams.agents.persist import Persist
from streams.agents.webhooks import Webhooks
from streams.enhancements.caller import Enhancements, EnhancingLimits
from streams.enhancements.circuit_breaker import CircuitBreaker
from streams.enhancements.retry_schedule import ATTEMPTS
from streams.runtime.lease_worker import Leaser
from tests.sink.enhanced_ai.asking import SAID, enhancer, transcript
from tests.streams.jobs import Job, new_job
from tests.streams.webhook_harness import SECRETS, until

pytestmark = pytest.mark.anyio
LIMITS = EnhancingLimits(
    lease_seconds=60, poll_seconds=0.05, sweep_seconds=0.1, pause_seconds=0.05, drain_seconds=5, time_scale=1e-4
)
BOTH = EnhancementRequest(enhancement_id=uuid4(), summarization=True, entity_extraction=True)
SMALL: dict[str, Any] = {"enhanced_ai_window_tokens": 1300, "enhanced_ai_answer_tokens": 160}


class EnhancementHarness:
    """Persist, enhance and webhooks before the database, a real service behind it."""

    def __init__(self, db: Database, store: S3ObjectStore, service: ExtractiveService) -> None:
        self.db = db
        self.service = service
        self.persist = Persist(db, store)
        self.enhance = Enhance(db)
        self.webhooks = Webhooks(db, SECRETS, "https://scribe.example")

    async def policy(self, **changes: Any) -> None:
        policy = TenantPolicy(tenant="acme", enhanced_ai=True, at=datetime.now(UTC))
        async with self.db.transaction() as connection:
            assert await apply_policy(connection, replace(policy, **changes))

    async def asked(
        self,
        job: Job,
        wishes: EnhancementRequest | None = None,
        *,
        outcome: Outcome = Outcome.COMPLETED,
        lines: int = 4,
        run: int = 1,
    ) -> EnhancementRequest:
        """A job that has ended and asked for an enhancement at its submission."""
        wishes = wishes or replace(BOTH, enhancement_id=uuid4())
        changes: dict[str, Any] = {"request": job.request(run, enhancement=wishes).without_query()}
        if outcome is Outcome.COMPLETED:
            changes["transcript"] = transcript((SAID * lines)[:lines])
        result = job.result(run, outcome, **changes)
        assert await self.enhance.ended(result) == "scheduled"
        assert await self.persist.ended(result) == "applied"
        return wishes

    async def found(self, wishes: EnhancementRequest) -> EnhancementRow:
        async with self.db.connection() as connection:
            row = await requests.find(connection, wishes.enhancement_id, "acme")
        assert row is not None
        return row

    async def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        async with self.db.transaction() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def announced(self) -> list[EnhancementResult]:
        """What the relay would publish."""
        rows = await self.rows("SELECT value FROM outbox WHERE topic = 'scribe.enhancements' ORDER BY id")
        return [Serde().decode(bytes(row["value"]), EnhancementResult) for row in rows]

    async def ended(self) -> EnhancementResult:
        await until(lambda: self._tells(1))
        (result,) = await self.announced()
        return result

    async def _tells(self, number: int) -> bool:
        return len(await self.announced()) >= number

    @asynccontextmanager
    async def dispatching(
        self, kind: str = "json", limits: EnhancingLimits = LIMITS, offered: tuple[str, ...] = (MODEL,), **settings: Any
    ) -> AsyncIterator[Enhancements]:
        stop = asyncio.Event()
        work = Enhancements(self.db, enhancer(kind, self.service, **settings), offered, Serde(), limits)
        task = asyncio.create_task(Leaser(self.db, work, limits).run(stop))
        try:
            yield work
        finally:
            stop.set()
            await task


async def held_by(work: Enhancements, reason: WaitReason) -> bool:
    """Whether the last sweep has counted one call, which that gate holds."""
    return [(each.reason, each.jobs) for each in work.held] == [(reason, 1)]


@pytest.fixture
def service() -> Iterator[ExtractiveService]:
    with ExtractiveService() as running:
        yield running


@pytest.fixture
async def world(db: Database, object_store: S3ObjectStore, service: ExtractiveService) -> EnhancementHarness:
    world = EnhancementHarness(db, object_store, service)
    await world.policy()
    return world


@pytest.mark.parametrize("kind", ["json", "openai"])
async def test_what_was_asked_for_is_told_applied_and_read(world: EnhancementHarness, kind: str) -> None:
    job = new_job(webhook_url="https://acme.example/hook")
    wishes = await world.asked(job)
    assert (await world.found(wishes)).state == "queued"
    async with world.dispatching(kind):
        result = await world.ended()
    assert (result.outcome, result.job_id, result.run) == (Outcome.COMPLETED, job.job_id, 1)
    assert {e.text for e in result.entities} == {"anna", "four five six seven", "monday"}
    assert await world.webhooks.enhanced(result) == "scheduled"
    assert await world.persist.enhanced(result) == "applied"
    row = await world.found(wishes)
    assert (row.state, row.summary, row.tokens) == ("completed", result.summary, result.tokens)
    assert {e["kind"] for e in row.entities} == {"person", "number", "date"}
    assert [await world.persist.enhanced(result), await world.webhooks.enhanced(result)] == ["duplicate", "duplicate"]
    assert await world.rows("SELECT FROM enhancement_answers") == []
    (delivery,) = await world.rows("SELECT type, payload, next_attempt_at FROM webhook_deliveries")
    assert (delivery["type"], delivery["payload"]["data"]["summary"]) == ("enhancement.completed", result.summary)
    assert delivery["next_attempt_at"] is not None, "it may go, since its event is applied"
    (line,) = await world.rows("SELECT detail FROM job_events WHERE state = 'enhancement completed'")
    assert line["detail"] == {"enhancement_id": str(wishes.enhancement_id)}
    (spent,) = await world.rows("SELECT tenant, sum(tokens) AS tokens FROM enhanced_ai_spending GROUP BY 1")
    assert (spent["tenant"], spent["tokens"]) == ("acme", result.tokens)


@pytest.mark.parametrize(
    ("policy", "model", "code"),
    [
        ({"enhanced_ai": False}, None, "consent_missing"),
        ({"llm_models": ("small",)}, "large", "unknown_llm_model"),
        ({}, "never-heard-of", "unknown_llm_model"),
    ],
)
async def test_nothing_leaves_that_the_policy_does_not_let_go(
    world: EnhancementHarness, policy: dict[str, Any], model: str | None, code: str
) -> None:
    await world.policy(**policy)
    await world.asked(new_job(), replace(BOTH, enhancement_id=uuid4(), llm_model=model))
    async with world.dispatching(offered=(MODEL, "large")):
        result = await world.ended()
    assert (result.outcome, result.error and result.error.code) == (Outcome.FAILED, code)
    assert world.service.questions == []


async def test_no_policy_is_no_consent(world: EnhancementHarness) -> None:
    await world.rows("DELETE FROM tenant_policies RETURNING 1")
    await world.asked(new_job())
    async with world.dispatching():
        assert (await world.ended()).outcome is Outcome.FAILED
    assert world.service.questions == []


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED])
async def test_a_job_without_a_transcript_has_nothing_to_enhance(world: EnhancementHarness, outcome: Outcome) -> None:
    await world.asked(new_job(), outcome=outcome)
    async with world.dispatching():
        result = await world.ended()
    assert result.error is not None
    assert result.error.code == "no_transcript"


async def test_a_call_waits_for_the_end_of_its_job(world: EnhancementHarness) -> None:
    job, wishes = new_job(), replace(BOTH, enhancement_id=uuid4())
    assert await world.persist.requested(job.request()) == "applied"
    async with world.db.transaction() as connection:
        assert await requests.ask(connection, "acme", job.job_id, 1, wishes)
    async with world.dispatching():
        await asyncio.sleep(0.3)  # several looks at the schedule
        assert (await world.announced(), world.service.questions) == ([], [])
        assert await world.persist.ended(job.result()) == "applied"
        assert (await world.ended()).enhancement_id == wishes.enhancement_id


async def test_the_same_id_is_asked_once_and_never_for_something_else(world: EnhancementHarness) -> None:
    wishes, job = replace(BOTH, enhancement_id=uuid4()), new_job()
    async with world.db.transaction() as connection:
        assert await requests.ask(connection, "acme", job.job_id, 1, wishes)
        assert not await requests.ask(connection, "acme", job.job_id, 1, wishes)
        for other in (
            ("acme", uuid4(), wishes),
            ("globex", job.job_id, wishes),
            ("acme", job.job_id, replace(wishes, summarization=False)),
        ):
            with pytest.raises(Permanent, match="same id"):
                await requests.ask(connection, other[0], other[1], 1, other[2])


async def test_a_later_run_is_enhanced_again(world: EnhancementHarness) -> None:
    job = new_job()
    wishes = await world.asked(job)
    async with world.dispatching():
        first = await world.ended()
        await world.asked(job, wishes, run=2)
        await until(lambda: world._tells(2))
    _, second = await world.announced()
    assert (second.run, second.enhancement_id) == (2, first.enhancement_id)
    assert second.event_id != first.event_id
    assert await world.persist.enhanced(second) == "applied"
    assert await world.persist.enhanced(first) == "stale"


async def test_a_killed_dispatcher_pays_for_no_answer_twice(world: EnhancementHarness) -> None:
    """Its lease runs out in the middle of a long transcript; the next one asks only what was not answered."""
    await world.asked(new_job(), lines=160)
    crashed = asyncio.Event()

    def slow(body: dict[str, Any]) -> dict[str, Any]:
        loop.call_soon_threadsafe(crashed.set)
        return body

    loop = asyncio.get_running_loop()
    world.service.faults = [None, None, Fault(change=slow)]
    stop = asyncio.Event()
    work = Enhancements(world.db, enhancer("openai", world.service, **SMALL), (MODEL,), Serde(), LIMITS)
    task = asyncio.create_task(Leaser(world.db, work, LIMITS).run(stop))
    await crashed.wait()
    await cancel_until_done(task)
    (before,) = await world.rows("SELECT count(*) AS answers FROM enhancement_answers")
    assert before["answers"] >= 2
    await world.rows("UPDATE enhancement_calls SET lease_until = now() RETURNING 1")
    async with world.dispatching("openai", **SMALL):
        result = await world.ended()
    assert result.outcome is Outcome.COMPLETED
    assert set(world.service.paid.values()) == {1}
    (spent,) = await world.rows("SELECT sum(tokens) AS tokens FROM enhanced_ai_spending")
    assert spent["tokens"] == result.tokens


async def test_what_may_pass_is_tried_again_and_at_last_given_up(world: EnhancementHarness) -> None:
    await world.asked(new_job())
    world.service.faults = [Fault(status=429, headers={"retry-after": "3"}), Fault(body=b"<html>"), Fault(status=500)]
    async with world.dispatching():
        assert (await world.ended()).outcome is Outcome.COMPLETED
    (call,) = await world.rows("SELECT attempt, state FROM enhancement_calls")
    assert (call["attempt"], call["state"]) == (3, "completed")


async def test_a_service_that_never_answers_well_fails_the_enhancement_with_the_reason(
    world: EnhancementHarness,
) -> None:
    await world.asked(new_job())
    world.service.faults = [Fault(status=500)] * ATTEMPTS
    async with world.dispatching():
        result = await world.ended()
    assert result.error is not None
    assert (result.error.code, "500" in result.error.message) == ("retries_exhausted", True)


async def test_an_outage_costs_no_attempts_and_opens_the_breaker(world: EnhancementHarness) -> None:
    await world.asked(new_job())
    world.service.faults = [Fault(status=401)] * 5
    async with world.dispatching() as work:
        work._breaker = CircuitBreaker(backoff=Backoff(first=0.01, cap=0.02))
        result = await world.ended()
        assert work._breaker.is_closed
    assert result.outcome is Outcome.COMPLETED
    (call,) = await world.rows("SELECT attempt FROM enhancement_calls")
    assert call["attempt"] == 1


@pytest.mark.parametrize("whose", ["tenant", "all"])
async def test_a_spent_day_puts_calls_off_until_the_next(world: EnhancementHarness, whose: str) -> None:
    await world.rows(
        "INSERT INTO enhanced_ai_spending SELECT 'acme', (now() AT TIME ZONE 'UTC')::date + n, 100"
        " FROM generate_series(0, 1) n RETURNING 1"  # the day may end meanwhile
    )
    if whose == "tenant":
        await world.policy(quotas={TOKENS_PER_DAY: 100})
    limits = LIMITS if whose == "tenant" else replace(LIMITS, tokens_per_day=100)
    await world.asked(new_job())

    async def put_off() -> bool:
        (call,) = await world.rows("SELECT next_attempt_at, attempt FROM enhancement_calls")
        return bool(call["next_attempt_at"] > datetime.now(UTC) + timedelta(seconds=1)) and call["attempt"] == 0

    async with world.dispatching(limits=limits) as work:
        await until(put_off)
        await until(lambda: held_by(work, WaitReason.TOKENS_SPENT))
    assert world.service.questions == []


async def test_nothing_leaves_or_is_told_after_an_erasure(world: EnhancementHarness) -> None:
    job = new_job()
    await world.asked(job, lines=160)
    erased = asyncio.Event()

    def erase(body: dict[str, Any]) -> dict[str, Any]:
        loop.call_soon_threadsafe(erased.set)
        return body

    loop = asyncio.get_running_loop()
    world.service.faults = [None, Fault(change=erase)]
    async with world.dispatching("openai", **SMALL):
        await erased.wait()
        for query in (
            "INSERT INTO erased_jobs (job_id) VALUES (%s) RETURNING 1",
            "DELETE FROM enhancement_calls WHERE job_id = %s RETURNING 1",
        ):
            await world.rows(query, job.job_id)
        asked = len(world.service.questions)
        await asyncio.sleep(0.3)  # time for the calls that must not come
    assert len(world.service.questions) <= asked + 1, "one call may have been under way"
    assert await world.announced() == []


async def test_a_result_of_an_erased_or_foreign_job_is_not_kept(world: EnhancementHarness) -> None:
    job = new_job()
    await world.asked(job)
    async with world.dispatching():
        result = await world.ended()
    assert await world.persist.enhanced(replace(result, tenant="globex")) == "foreign"
    await world.rows("INSERT INTO erased_jobs (job_id) VALUES (%s) RETURNING 1", job.job_id)
    assert await world.persist.enhanced(result) == "erased"
    assert await world.rows("SELECT FROM enhancements") == []


async def test_a_result_before_its_job_is_kept(world: EnhancementHarness) -> None:
    wishes, job = replace(BOTH, enhancement_id=uuid4()), new_job()
    async with world.db.transaction() as connection:
        assert await requests.ask(connection, "acme", job.job_id, 1, wishes)
    result = EnhancementResult(
        event_id=uuid4(),
        job_id=job.job_id,
        run=1,
        tenant="acme",
        enhancement_id=wishes.enhancement_id,
        outcome=Outcome.COMPLETED,
        summary="short",
        completed_at=datetime.now(UTC),
    )
    assert await world.persist.enhanced(result) == "applied"
    assert (await world.found(wishes)).summary == "short"
    assert await world.webhooks.enhanced(result) == "no_webhook"
