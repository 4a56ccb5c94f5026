"""Accepting and reading jobs: all or nothing, and only one's own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from gpu_consumers.core.speech.merge import segments_of
from gpu_consumers.core.speech.spacing import tidy
from schemas.events import JobResult, Outcome, TenantPolicy
from schemas.requests.limits import EARLIEST
from schemas.settings.stores import PostgresSettings
from schemas.transcript import Transcript, Word
from schemas.wire.records import Record
from sink.jobs import outbox, queries
from sink.jobs.queries import Acceptance
from sink.jobs.results import StoredTranscript, apply_result
from sink.postgres.database import Database
from sink.tenants.policies import apply_policy
from tests.samples import AT, BARE_REQUEST, FULL_REQUEST, TRANSCRIPT

pytestmark = pytest.mark.anyio
RECORD = Record("scribe.jobs", b"key", b"value", {"ce_id": "1"})


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as opened:
        yield opened


async def test_a_job_and_its_outbox_row_are_committed_together(db: Database) -> None:
    """A record that the outbox cannot keep leaves nothing of its job."""
    with pytest.raises(psycopg.errors.NotNullViolation):
        await queries.accept(db, BARE_REQUEST, b"digest", replace(RECORD, value=None))
    assert await queries.read(db, BARE_REQUEST.job_id, "acme") is None
    async with db.connection() as connection:
        assert (await outbox.backlog(connection)).pending == 0


async def test_an_id_is_taken_once(db: Database) -> None:
    """By whoever came first; a tenant learns of its own job, and nothing of another's."""
    acceptance, job = await queries.accept(db, FULL_REQUEST, b"digest", RECORD)
    assert (acceptance, job) == (Acceptance.ACCEPTED, job)
    assert job is not None
    assert (job.state, job.fingerprint, job.request["metadata"]) == ("queued", b"digest", FULL_REQUEST.metadata)
    assert await queries.accept(db, FULL_REQUEST, b"other", RECORD) == (Acceptance.KNOWN, job)
    foreign = replace(BARE_REQUEST, job_id=FULL_REQUEST.job_id, tenant="globex")
    assert await queries.accept(db, foreign, b"other", RECORD) == (Acceptance.KNOWN, None)
    assert await queries.read(db, FULL_REQUEST.job_id, "globex") is None
    detail = await queries.read(db, FULL_REQUEST.job_id, "acme")
    assert detail is not None
    assert detail.job == job
    assert [(line.state, line.at) for line in detail.history] == [("queued", FULL_REQUEST.requested_at)]
    async with db.connection() as connection:
        assert await queries.find(connection, FULL_REQUEST.job_id, "acme") == job
        assert (await outbox.backlog(connection)).pending == 1


async def test_a_job_is_judged_by_the_policy_in_force_when_it_is_committed(db: Database) -> None:
    """One that changed since, came, or was never there."""
    fresh = (replace(BARE_REQUEST, job_id=uuid4()) for _ in range(10))
    none, first, second = EARLIEST, AT, AT + timedelta(microseconds=1)

    async def accepted(policy_at: datetime | None) -> bool:
        return (await queries.accept(db, next(fresh), b"", RECORD, policy_at=policy_at))[0] is Acceptance.ACCEPTED

    assert [await accepted(at) for at in (none, first, None)] == [True, False, True]
    async with db.transaction() as connection:
        await apply_policy(connection, TenantPolicy(tenant="acme", at=second))
    assert [await accepted(at) for at in (none, first, second, None)] == [False, False, True, True]


async def test_no_more_jobs_are_accepted_than_may_wait(db: Database) -> None:
    fresh = [replace(BARE_REQUEST, job_id=uuid4()) for _ in range(5)]
    found = await asyncio.gather(*(queries.accept(db, request, b"", RECORD, most_waiting=2) for request in fresh))
    accepted = [
        request for request, (acceptance, _) in zip(fresh, found, strict=True) if acceptance is Acceptance.ACCEPTED
    ]
    assert sorted(acceptance for acceptance, _ in found) == ["accepted"] * 2 + ["full"] * 3
    again = [(await queries.accept(db, request, b"", RECORD, most_waiting=2))[0] for request in accepted]
    assert again == [Acceptance.KNOWN] * 2


async def test_a_call_acts_for_its_tenant_and_no_longer(db: Database) -> None:
    """The role is given back with the end of the call, on the very connection that made it."""
    await queries.accept(db, BARE_REQUEST, b"", RECORD)
    row = await db.call("SELECT current_user = session_user AS owner, scribe_own_tenant() AS tenant", {})
    assert row == {"owner": True, "tenant": None}
    stranger = "CREATE FUNCTION all_jobs(tenant text, OUT number bigint) LANGUAGE plpgsql AS $$ BEGIN PERFORM scribe_act_for(tenant); SELECT count(*) INTO number FROM jobs; END $$"
    async with db.transaction() as connection:
        await connection.execute(stranger)
    for tenant, number in (("globex", 0), ("acme", 1), ("globex", 0)):
        assert await db.call("SELECT number FROM all_jobs(%(tenant)s)", {"tenant": tenant}) == {"number": number}


# tokens as a model writes them, with their blanks
WRITTEN = {
    "en": (
        *(" It", "'s", " five", " o", "'clock", " -", " the", " open", "-source", " project", "'s", " costs", ":"),
        *(" $", "1", ",250", ".50", " (", "3", ".5", "%", ")", ",", ' "', "not", " 10", ":", "30", '"', "..."),
    ),
    "he": (" דו", '"', "ח", " של", " צה", "״", "ל", ":", " 3", ".5", "%", " ב", "-", "10", ":", "30", "."),
    "ja": ("彼", "は", "3", ".5", "%", "と", "言", "った", "。"),
}


def written(language: str) -> Transcript:
    pieces = WRITTEN[language]
    words = tidy((Word(start=n / 4, end=n / 4 + 0.2, text=piece) for n, piece in enumerate(pieces)), 60.0)
    return Transcript(language=language, duration=60.0, segments=segments_of(words, language))


@pytest.mark.parametrize("language", WRITTEN)
def test_a_transcript_of_signs_is_what_the_model_wrote(language: str) -> None:
    assert written(language).text == "".join(WRITTEN[language]).strip()


@pytest.mark.parametrize("transcript", [TRANSCRIPT, *map(written, WRITTEN)], ids=["sample", *WRITTEN])
async def test_the_transcript_is_read_back_as_it_was_kept(transcript: Transcript, database: str) -> None:
    """Its rows say the same, sign by sign and blank by blank."""
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db:
        async with db.transaction() as connection:
            result = JobResult(
                event_id=uuid4(),
                job_id=FULL_REQUEST.job_id,
                run=FULL_REQUEST.run,
                tenant="acme",
                request=FULL_REQUEST,
                outcome=Outcome.COMPLETED,
                completed_at=AT,
            )
            await apply_result(connection, result, StoredTranscript(transcript, "s3://scribe/t.json"))
        async with db.connection() as connection:
            job = await queries.find(connection, FULL_REQUEST.job_id, "acme")
            assert job
            assert await queries.transcript(connection, job) == transcript
            rows = await connection.execute("SELECT text, words FROM segments ORDER BY position")
            for segment, (text, words) in zip(
                transcript.segments, [(r["text"], r["words"]) for r in await rows.fetchall()], strict=True
            ):
                assert text == segment.text
                assert [Word(**word) for word in words] == list(segment.words)


async def test_there_is_no_job_of_an_unknown_id(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, db.connection() as connection:
        assert await queries.find(connection, uuid4(), "acme") is None
