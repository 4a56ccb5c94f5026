"""Events become rows, whatever their order, number and run: on real PostgreSQL and a real object store."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY

from schemas.errors import Permanent, Poison
from schemas.events import (
    ClaimCheck,
    JobProgress,
    JobRequested,
    JobResult,
    Options,
    Outcome,
    Source,
    Stage,
    TenantPolicy,
)
from schemas.objects import claim_key, transcript_key
from schemas.serde import encode_transcript, to_json, transcript_from_json
from schemas.transcript import Word
from sink import jobs
from sink.jobs import JobRow
from sink.postgres import Database
from sink.s3 import S3ObjectStore
from sink.tenants import policy_of
from streams.agents.persist import Persist
from streams.recipe import DeadLetter
from tests.samples import AT, TRANSCRIPT
from tests.streams.jobs import Job, new_job, saying

pytestmark = pytest.mark.anyio
Story = Callable[[Job], list[JobRequested | JobProgress | JobResult]]


@pytest.fixture
def persist(db: Database, object_store: S3ObjectStore) -> Persist:
    return Persist(db, object_store)


async def tell(persist: Persist, *events: JobRequested | JobProgress | JobResult) -> list[str]:
    """The effect of each event."""
    effects = []
    for event in events:
        match event:
            case JobRequested():
                effects.append(await persist.requested(event))
            case JobProgress():
                effects.append(await persist.progressed(event))
            case JobResult():
                effects.append(await persist.ended(event))
    return effects


async def row_of(db: Database, job: Job) -> JobRow:
    async with db.connection() as connection:
        row = await jobs.find(connection, job.job_id, job.tenant)
    assert row is not None
    return row


async def history_of(db: Database, job: Job) -> list[tuple[int, str]]:
    async with db.connection() as connection:
        return [(change.run, change.state) for change in await jobs.history(connection, job.job_id)]


async def rows(db: Database, query: str, *values: Any) -> list[dict[str, Any]]:
    async with db.connection() as connection:
        return await (await connection.execute(query, values)).fetchall()


@dataclass(frozen=True)
class Case:
    """Events in their order of arrival, what each does, and where the job then stands."""

    name: str
    story: Story
    effects: list[str]
    stands: tuple[int, str]
    history: list[tuple[int, str]]


Q1, T1, D1 = (1, "queued"), (1, "transcribing"), (1, "diarizing")
C1, F1, Q2, C2 = (1, "completed"), (1, "failed"), (2, "queued"), (2, "completed")
CASES = [
    Case(
        "the usual way",
        lambda j: [j.request(), j.progress(1, 1), j.progress(1, 2), j.progress(1, 1, Stage.DIARIZING), j.result()],
        ["applied"] * 5,
        C1,
        [Q1, T1, D1, C1],
    ),
    Case("the result before its request", lambda j: [j.result(), j.request()], ["applied", "duplicate"], C1, [Q1, C1]),
    Case("the result alone", lambda j: [j.result(outcome=Outcome.FAILED)], ["applied"], F1, [Q1, F1]),
    Case(
        "everything twice",
        lambda j: [j.request(), j.request(), j.progress(1, 1), j.progress(1, 1), j.result(), j.result()],
        ["applied", "duplicate", "applied", "stale", "applied", "duplicate"],
        C1,
        [Q1, T1, C1],
    ),
    Case(
        "a finished job stays finished",
        lambda j: [j.result(), j.result(outcome=Outcome.CANCELLED, event_id=new_job().job_id), j.progress(9, 9)],
        ["applied", "stale", "stale"],
        C1,
        [Q1, C1],
    ),
    Case(
        "progress of an older attempt or sequence",
        lambda j: [j.request(), j.progress(2, 5), j.progress(1, 9), j.progress(2, 4), j.progress(2, 6)],
        ["applied", "applied", "stale", "stale", "applied"],
        T1,
        [Q1, T1],
    ),
    Case(
        "another group counts its attempts anew",
        lambda j: [j.request(), j.progress(3, 9), j.progress(1, 1, Stage.DIARIZING), j.progress(4, 1)],
        ["applied", "applied", "applied", "stale"],
        D1,
        [Q1, T1, D1],
    ),
    Case("progress without a job", lambda j: [j.progress(1, 1), j.request()], ["unknown", "applied"], Q1, [Q1]),
    Case(
        "a later run replaces the end of an older one",
        lambda j: [j.request(), j.result(outcome=Outcome.FAILED), j.request(2), j.result(2)],
        ["applied"] * 4,
        C2,
        [Q1, F1, Q2, C2],
    ),
    Case(
        "a later run's result before its request",
        lambda j: [j.result(), j.result(2), j.request(2)],
        ["applied", "applied", "duplicate"],
        C2,
        [Q1, C1, Q2, C2],
    ),
    Case(
        "an older run changes nothing",
        lambda j: [j.request(2), j.request(1), j.progress(5, 5, run=1), j.result(1), j.progress(1, 1, run=2)],
        ["applied", "stale", "stale", "stale", "applied"],
        (2, "transcribing"),
        [Q2, (2, "transcribing")],
    ),
    Case(
        "another request under the same id",
        lambda j: [
            j.request(),
            j.request(recording_id="other"),
            j.result(request=j.request(source=Source(uri="https://media.example/other.opus"))),
            j.result(request=j.request(options=Options(language="he"))),
            j.result(),
            j.result(request=j.request(recording_id="other")),
        ],
        ["applied", "conflicting", "conflicting", "conflicting", "applied", "conflicting"],
        C1,
        [Q1, C1],
    ),
    Case(
        "progress of a run that has not begun",
        lambda j: [j.request(), j.progress(1, 1, run=2)],
        ["applied", "stale"],
        Q1,
        [Q1],
    ),
    Case(
        "another tenant's events with the same id",
        lambda j: [
            j.request(),
            replace(j, tenant="mallory").request(2),
            replace(j, tenant="mallory").progress(1, 1),
            replace(j, tenant="mallory").result(2),
        ],
        ["applied", "foreign", "foreign", "foreign"],
        Q1,
        [Q1],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_job_stands_where_its_events_put_it(case: Case, persist: Persist, db: Database) -> None:
    job = new_job()
    assert await tell(persist, *case.story(job)) == case.effects
    row = await row_of(db, job)
    assert (row.run, row.state) == case.stands
    assert await history_of(db, job) == case.history


async def test_a_completed_result_is_kept_with_all_it_says(
    persist: Persist, db: Database, object_store: S3ObjectStore
) -> None:
    job = new_job()
    await tell(persist, job.result())
    row = await row_of(db, job)
    assert (row.language, row.duration, row.speakers) == ("en", 2.5, ["SPEAKER_00"])
    assert (row.warnings, row.timings, row.models[0]["name"]) == (["a warning"], {"decode": 0.5}, "large-v3")
    assert row.request["source"]["uri"] == "https://media.example/call.opus"
    async with db.connection() as connection:
        kept = await jobs.transcript(connection, row)
    assert replace(kept, language_probability=0.75) == TRANSCRIPT
    key = transcript_key(job.tenant, job.job_id, 1)
    assert row.transcript_uri == object_store.uri(key)
    assert transcript_from_json(json.loads(object_store.get(key))) == TRANSCRIPT
    applied = await rows(db, "SELECT event_id FROM applied_events WHERE job_id = %s", job.job_id)
    assert [found["event_id"] for found in applied] == [job.result().event_id]


async def test_words_lie_in_one_column_of_their_segment(persist: Persist, db: Database) -> None:
    job = new_job()
    await tell(persist, job.result())
    found = await rows(db, "SELECT position, words FROM segments WHERE job_id = %s ORDER BY position", job.job_id)
    assert [(r["position"], [w["text"] for w in r["words"]]) for r in found] == [(0, ["hello", "there"]), (1, [])]


async def test_a_failed_result_says_why(persist: Persist, db: Database, object_store: S3ObjectStore) -> None:
    job = new_job()
    await tell(persist, job.result(outcome=Outcome.FAILED))
    row = await row_of(db, job)
    assert row.error == {"kind": "media", "code": "media_empty", "message": "The file is empty."}
    assert row.transcript_uri is None
    assert list(object_store.keys("acme/")) == []
    found = await rows(db, "SELECT detail FROM job_events WHERE job_id = %s AND state = 'failed'", job.job_id)
    assert found == [{"detail": {"code": "media_empty", "message": "The file is empty."}}]


async def test_a_later_run_leaves_no_segment_of_the_older_one(persist: Persist, db: Database) -> None:
    job = new_job()
    await tell(persist, job.result())
    await tell(persist, job.request(2))
    row = await row_of(db, job)
    assert (row.transcript_uri, row.speakers, row.completed_at) == (None, [], None)
    assert await rows(db, "SELECT 1 FROM segments WHERE job_id = %s", job.job_id) == []
    await tell(persist, job.result(2, transcript=saying("again")))
    found = await rows(db, "SELECT text FROM segments WHERE job_id = %s AND position = 0", job.job_id)
    assert found == [{"text": "again"}]


async def test_an_erased_job_stays_erased(persist: Persist, db: Database, object_store: S3ObjectStore) -> None:
    job = new_job()
    async with db.transaction() as connection:
        await connection.execute("INSERT INTO erased_jobs (job_id) VALUES (%s)", [job.job_id])
    assert await tell(persist, job.request(), job.progress(1, 1), job.result(), job.result(2)) == ["erased"] * 4
    assert await rows(db, "SELECT 1 FROM jobs WHERE job_id = %s", job.job_id) == []
    assert await rows(db, "SELECT 1 FROM applied_events WHERE job_id = %s", job.job_id) == []
    assert list(object_store.keys("acme/")) == []


async def test_a_job_erased_while_its_transcript_is_written_leaves_no_object(
    db: Database, object_store: S3ObjectStore
) -> None:
    job = new_job()

    class Erasing(S3ObjectStore):
        """The store, with the erasure between the write and the row."""

        def __init__(self) -> None:
            self.__dict__.update(object_store.__dict__)
            self.erased = False

        def put(self, key: str, body: bytes, *, content_type: str, if_absent: bool = False) -> bool:
            written = super().put(key, body, content_type=content_type, if_absent=if_absent)
            with psycopg.connect(db._dsn) as connection:
                connection.execute("INSERT INTO erased_jobs (job_id) VALUES (%s)", [job.job_id])
            return written

    assert await tell(Persist(db, Erasing()), job.result()) == ["erased"]
    assert list(object_store.keys("acme/")) == []


async def test_the_transcript_of_a_claim_check_is_read_and_verified(
    persist: Persist, db: Database, object_store: S3ObjectStore
) -> None:
    job = new_job()
    body = encode_transcript(TRANSCRIPT)
    key = claim_key(job.tenant, job.job_id, job.result().event_id)
    object_store.put(key, body, content_type="application/avro")
    claim = ClaimCheck(uri=object_store.uri(key), size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
    assert await tell(persist, job.result(transcript=None, claim_check=claim)) == ["applied"]
    assert (await row_of(db, job)).language == "en"


@pytest.mark.parametrize(
    "changes",
    [{"sha256": "00" * 32}, {"uri": "s3://elsewhere/key"}, {"size_bytes": 3}],
    ids=lambda changes: str(*changes),
)
async def test_a_claim_check_that_does_not_hold_is_our_own_fault(
    changes: dict[str, Any], persist: Persist, object_store: S3ObjectStore
) -> None:
    job = new_job()
    key = claim_key(job.tenant, job.job_id, job.result().event_id)
    object_store.put(key, b"other bytes", content_type="application/avro")
    claim = replace(ClaimCheck(uri=object_store.uri(key), size_bytes=11, sha256="ab" * 32), **changes)
    with pytest.raises(Permanent) as raised:
        await persist.ended(job.result(transcript=None, claim_check=claim))
    assert raised.value.code == "internal"


async def test_a_result_that_cannot_be_applied_ends_its_job_as_failed_once(persist: Persist, db: Database) -> None:
    """Under the event's own id, so that it is a duplicate afterwards and its webhook is gated no longer."""
    job = new_job()
    claim = ClaimCheck(uri="s3://elsewhere/key", size_bytes=11, sha256="ab" * 32)
    result = job.result(transcript=None, claim_check=claim)
    letter = DeadLetter("internal", "internal", "secret of the house")
    await tell(persist, job.request())
    with pytest.raises(Permanent):
        await persist.ended(result)
    await persist.unapplied(result, letter)
    await persist.unapplied(result, letter)
    row = await row_of(db, job)
    assert (row.state, row.transcript_uri, row.speakers) == ("failed", None, [])
    assert row.error is not None
    assert row.error["code"] == "internal"
    assert "secret" not in row.error["message"]
    assert await history_of(db, job) == [Q1, F1]
    (applied,) = await rows(db, "SELECT event_id, error FROM applied_events WHERE job_id = %s", job.job_id)
    assert applied == {"event_id": result.event_id, "error": row.error}
    assert await tell(persist, result) == ["duplicate"]


async def test_a_transcript_that_is_kept_already_is_what_the_row_tells(
    persist: Persist, db: Database, object_store: S3ObjectStore
) -> None:
    """The job was transcribed twice: object and row agree on the first."""
    job = new_job()
    key = transcript_key(job.tenant, job.job_id, 1)
    first = json.dumps(to_json(saying("the first"))).encode()
    object_store.put(key, first, content_type="application/json")
    assert await tell(persist, job.result(transcript=saying("the second"))) == ["applied"]
    found = await rows(db, "SELECT text FROM segments WHERE job_id = %s AND position = 0", job.job_id)
    assert found == [{"text": "the first"}]
    assert object_store.get(key) == first


@pytest.mark.parametrize("body", [b"not JSON", b"{}", b"\xff"])
async def test_an_object_in_the_place_of_a_transcript_that_is_none_is_our_own_fault(
    body: bytes, persist: Persist, object_store: S3ObjectStore
) -> None:
    job = new_job()
    object_store.put(transcript_key(job.tenant, job.job_id, 1), body, content_type="application/json")
    with pytest.raises(Permanent) as raised:
        await persist.ended(job.result())
    assert raised.value.code == "internal"


async def test_a_claim_check_of_another_job_is_refused(persist: Persist, object_store: S3ObjectStore) -> None:
    other, job = new_job(tenant="globex"), new_job()
    body = encode_transcript(TRANSCRIPT)
    key = claim_key(other.tenant, other.job_id, other.result().event_id)
    object_store.put(key, body, content_type="application/avro")
    claim = ClaimCheck(uri=object_store.uri(key), size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
    with pytest.raises(Permanent, match="does not belong to the job"):
        await persist.ended(job.result(transcript=None, claim_check=claim))


@pytest.mark.parametrize(
    "changes",
    [
        {"transcript": None},
        {"request": new_job().request()},
        {"transcript": replace(TRANSCRIPT, duration=float("nan"))},
    ],
    ids=["no transcript", "another job inside", "no number"],
)
async def test_a_result_that_contradicts_itself_is_poison(changes: dict[str, Any], persist: Persist) -> None:
    with pytest.raises(Poison):
        await persist.ended(new_job().result(**changes))


async def test_a_tenant_that_cannot_be_one_is_refused(persist: Persist) -> None:
    with pytest.raises(Permanent, match="tenant"):
        await persist.requested(new_job(tenant="../x").request())


async def test_text_that_no_database_takes_is_cleaned(persist: Persist, db: Database) -> None:
    job = new_job()
    word = Word(start=0.0, end=1.0, text="a\x00b", probability=float("inf"))
    transcript = saying("nul \x00 inside")
    segment = replace(transcript.segments[0], words=(word,), speaker="S\x00")
    transcript = replace(transcript, segments=(segment,), warnings=("w\x00",))
    request = job.request(recording_id="r\x00", metadata={"k\x00": "v\x00"})
    told: dict[str, Any] = {"request": request.without_query(), "speakers": ("S\x00",), "timings": {"x": float("nan")}}
    await tell(persist, request, job.result(transcript=transcript, **told))
    row = await row_of(db, job)
    assert (row.warnings, row.speakers, row.timings) == (["w\ufffd"], ["S\ufffd"], {})
    assert row.request["metadata"] == {"k\ufffd": "v\ufffd"}
    (found,) = await rows(db, "SELECT text, speaker, words FROM segments WHERE job_id = %s", job.job_id)
    assert (found["text"], found["speaker"]) == ("nul \ufffd inside", "S\ufffd")
    assert (found["words"][0]["text"], found["words"][0]["probability"]) == ("a\ufffdb", None)


async def test_an_end_is_counted_once(persist: Persist) -> None:
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"scribe_rabbit_{name}", labels) or 0.0

    before = counted("jobs_completed_total"), counted("jobs_failed_total", kind="media")
    durations = counted("job_duration_seconds_sum")
    done, failed = new_job(), new_job()
    failure = failed.result(outcome=Outcome.FAILED)
    await tell(persist, done.result(), done.result(), failure, failure, done.result())
    assert (counted("jobs_completed_total"), counted("jobs_failed_total", kind="media")) == (
        before[0] + 1,
        before[1] + 1,
    )
    assert counted("job_duration_seconds_sum") == durations + 60


async def test_a_tenants_policy_is_kept_and_nonsense_is_not(persist: Persist, db: Database) -> None:
    policy = TenantPolicy(tenant="acme", retention_days={"audio": 7}, at=AT)
    assert await persist.ruled(policy) == "applied"
    assert await persist.ruled(policy) == "stale"
    for nonsense in (replace(policy, retention_days={"sound": 7}), replace(policy, tenant="../x")):
        with pytest.raises(Permanent):
            await persist.ruled(nonsense)
    async with db.connection() as connection:
        assert await policy_of(connection, "acme") == policy
