"""Two requests under one job id, in whatever order their events come: the job ends as one of them, the other is told."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import JobProgress, JobRequested, JobResult, Options, Outcome, Stage
from schemas.requests.identity import RequestScope, request_digest
from schemas.settings.stores import PostgresSettings
from schemas.vocabulary.job_states import ENDED
from schemas.wire.object_keys import transcript_key
from schemas.wire.records import Record
from schemas.wire.serde import to_json
from sink.jobs.intake import acceptance
from sink.jobs.runs import stored_request
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.webhooks.deliveries import release_missed, tell_conflicts
from sink.webhooks.endpoint_health import end_superseded
from streams.agents.persist import Persist
from streams.agents.webhooks import Webhooks
from tests.streams.jobs import Job, new_job, saying
from tests.streams.webhook_harness import SECRETS

ONE_HOOK, OTHER_HOOK = "https://hooks.example/one", "https://hooks.example/other"


@dataclass(frozen=True)
class Party:
    """Somebody who uses the job's id: what is asked for, and what comes of it."""

    name: str
    options: Options
    outcome: Outcome
    hook: str | None
    tenant: str = "acme"

    def request(self, job: Job) -> JobRequested:
        return replace(job.request(), options=self.options, webhook_url=self.hook, tenant=self.tenant)

    def result(self, job: Job) -> JobResult:
        fields: dict[str, Any] = {"request": self.request(job).without_query(), "tenant": self.tenant}
        if self.outcome is Outcome.COMPLETED:
            fields["transcript"] = saying(self.name)
        return job.result(outcome=self.outcome, **fields)

    def progress(self, job: Job) -> JobProgress:
        return replace(
            job.progress(1, 1, Stage.DIARIZING if self.name == "b" else Stage.TRANSCRIBING), tenant=self.tenant
        )


OUTCOMES = st.sampled_from(list(Outcome))
HOOKS = st.sampled_from([None, ONE_HOOK, OTHER_HOOK])
ENGLISH, HEBREW = Options(language="en"), Options(language="he")
Step = tuple[str, str]  # what is told, and of whom


@dataclass(frozen=True)
class Story:
    """Who uses one id, and in which order what is told of them; `accepted`: the first of them came through REST."""

    parties: dict[str, Party]
    steps: tuple[Step, ...]
    accepted: bool


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Every request has its result, as the GPU groups promise; requests and progress may be lost to us, webhooks not."""
    parties = {
        "a": Party("a", ENGLISH, draw(OUTCOMES), draw(HOOKS)),
        "b": Party("b", HEBREW, draw(OUTCOMES), draw(HOOKS)),
    }
    if draw(st.booleans()):
        parties["c"] = Party("c", ENGLISH, draw(OUTCOMES), draw(HOOKS), tenant="mallory")
    steps = [(what, name) for name in parties for what in ("result", "webhook")]
    others = st.sampled_from(
        [(what, name) for name in parties for what in ("request", "progress", "result", "webhook")]
    )
    order = draw(st.permutations(steps + draw(st.lists(others, max_size=6))))
    return Story(parties, tuple(order), draw(st.booleans()))


class Told:
    """The streams in front of one database, told of stories."""

    def __init__(self, db: Database, store: S3ObjectStore) -> None:
        self.db, self.store = db, store
        self.persist = Persist(db, store)
        self.webhooks = Webhooks(db, SECRETS, "https://scribe.example")

    async def tell(self, story: Story) -> Job:
        job = new_job()
        if story.accepted:
            await self._accept(story.parties["a"].request(job))
        for what, name in story.steps:
            party = story.parties[name]
            match what:
                case "request":
                    await self.persist.requested(party.request(job))
                case "progress":
                    await self.persist.progressed(party.progress(job))
                case "result":
                    await self.persist.ended(party.result(job))
                case "webhook":
                    await self.webhooks.ended(party.result(job))
        async with self.db.transaction() as connection:
            await release_missed(connection)
            await tell_conflicts(connection)
            await end_superseded(connection)
        return job

    async def _accept(self, request: JobRequested) -> None:
        record = Record("scribe.jobs", b"key", b"value")
        answer, _ = await acceptance.accept(self.db, request, request_digest(request, RequestScope.SUBMISSION), record)
        assert answer is acceptance.Acceptance.ACCEPTED

    async def rows(self, query: str, job: Job) -> list[dict[str, Any]]:
        async with self.db.connection() as connection:
            return await (await connection.execute(query, [job.job_id])).fetchall()

    async def winner(self, story: Story, job: Job) -> Party:
        """The party that the job's row shows, which has ended as its result says, with its transcript."""
        (row,) = await self.rows("SELECT tenant, state, request, error FROM jobs WHERE job_id = %s", job)
        assert row["state"] in ENDED
        found = [p for p in story.parties.values() if p.tenant == row["tenant"] and kept(p, job) == row["request"]]
        (party,) = found
        assert row["state"] == party.outcome
        texts = await self.rows("SELECT text FROM segments WHERE job_id = %s ORDER BY position LIMIT 1", job)
        assert texts == ([{"text": party.name}] if party.outcome is Outcome.COMPLETED else [])
        if party.outcome is Outcome.COMPLETED:
            body = json.loads(self.store.get(transcript_key(party.tenant, job.job_id, 1)))
            assert body["segments"][0]["text"] == party.name
        return party

    async def deliveries(self, job: Job) -> dict[tuple[str, str, bytes], str | None]:
        """The code of the error by tenant, address and request; none waits for ever, none is there twice."""
        query = """
        SELECT e.tenant, e.url, d.asked, d.state, d.next_attempt_at IS NOT NULL AS due, d.error ->> 'code' AS code
        FROM webhook_deliveries d JOIN webhook_endpoints e USING (endpoint_id) WHERE d.job_id = %s"""
        found = await self.rows(query, job)
        assert all(row["due"] and row["state"] == "pending" for row in found)
        codes = {(row["tenant"], row["url"], bytes(row["asked"])): row["code"] for row in found}
        assert len(codes) == len(found)
        return codes


def kept(party: Party, job: Job) -> dict[str, Any]:
    return to_json(party.request(job).without_query())


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as opened:
        yield opened


@pytest.fixture
def listeners(database: str, object_store: S3ObjectStore, runner: asyncio.Runner) -> Iterator[Told]:
    settings = PostgresSettings.model_validate({"postgres_dsn": database, "postgres_pool_size": 2})
    stack = AsyncExitStack()
    db = runner.run(stack.enter_async_context(Database.open(settings, timeout=60)))
    yield Told(db, object_store)
    runner.run(stack.aclose())


def test_whatever_the_order_one_of_them_ends_the_job_and_the_others_are_told(
    listeners: Told, runner: asyncio.Runner
) -> None:
    """Whoever was accepted by REST is the job; else whose result came first. Every webhook goes out, with its truth."""

    async def check(story: Story) -> None:
        job = await listeners.tell(story)
        winner = await listeners.winner(story, job)
        owners = [
            name for what, name in story.steps if what == "result" and story.parties[name].tenant == winner.tenant
        ]
        assert winner.name == ("a" if story.accepted else owners[0])
        expected = {
            (party.tenant, party.hook, request_digest(stored_request(party.request(job)))): None
            if party is winner
            else "conflict"
            for party in story.parties.values()
            if party.hook is not None
        }
        assert await listeners.deliveries(job) == expected
        conflicts = await listeners.rows("SELECT 1 FROM job_events WHERE job_id = %s AND state = 'conflict'", job)
        assert len(conflicts) == (1 if winner.tenant == "acme" else 0)

    run_all(stories(), lambda story: runner.run(check(story)))


def run_all(strategy: st.SearchStrategy[Story], check: Callable[[Story], None]) -> None:
    settings(max_examples=60)(given(strategy)(check))()


def test_the_enhancement_of_a_job_goes_where_the_request_that_counts_wants_it(
    listeners: Told, runner: asyncio.Runner
) -> None:
    """The row is the request that ended it, in all that it shows."""
    parties = {
        "a": Party("a", ENGLISH, Outcome.COMPLETED, ONE_HOOK),
        "b": replace(Party("b", HEBREW, Outcome.COMPLETED, OTHER_HOOK)),
    }
    steps = (("request", "a"), ("progress", "b"), ("result", "b"), ("result", "a"))

    async def check() -> None:
        job = await listeners.tell(Story(parties, steps, accepted=False))
        (row,) = await listeners.rows(
            "SELECT request ->> 'webhook_url' AS url, recording_id FROM jobs WHERE job_id = %s", job
        )
        assert row == {"url": OTHER_HOOK, "recording_id": "call of run 1"}

    runner.run(check())
