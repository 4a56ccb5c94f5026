"""Results that arrive together: each has its own effect, none harms another, and nothing grows without bound."""

import asyncio
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest

from schemas.events import ClaimCheck, JobResult, Options
from schemas.transcript import Segment, Transcript, Word
from schemas.wire.object_keys import claim_key, transcript_key
from schemas.wire.serde import encode_transcript, transcript_from_json
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from streams.agents.persist import Persist
from streams.runtime.group_commit import GroupLimits
from tests.streams.jobs import Job, new_job, saying
from tests.streams.persisting import history_of, row_of, rows

pytestmark = pytest.mark.anyio

TOO_LATE = 2**31  # a run that the database has no number for


@pytest.fixture
def persist(db: Database, object_store: S3ObjectStore) -> Persist:
    """One group at a time, so that what is told together is one transaction, in its order."""
    return Persist(db, object_store, GroupLimits(running=1))


def in_no_run(result: JobResult) -> JobResult:
    """The result with a run that the database refuses."""
    return replace(result, run=TOO_LATE, request=replace(result.request, run=TOO_LATE))


async def together(persist: Persist, *events: JobResult) -> list[str]:
    """The effect of each, the name of its error where there is none."""
    answers = await asyncio.gather(*map(persist.ended, events), return_exceptions=True)
    return [type(answer).__name__ if isinstance(answer, BaseException) else answer for answer in answers]


async def test_every_kind_of_result_has_its_own_effect_in_one_group(
    persist: Persist, db: Database, object_store: S3ObjectStore
) -> None:
    unknown, twice, old, erased, taken, mixed, void = (new_job() for _ in range(7))
    await persist.requested(old.request(2))
    await persist.requested(taken.request())
    await persist.requested(mixed.request())
    await persist.ended(mixed.result())
    async with db.transaction() as connection:
        await connection.execute("INSERT INTO erased_jobs (job_id) VALUES (%s)", [erased.job_id])
    effects = await together(
        persist,
        unknown.result(),
        twice.result(),
        old.result(),
        erased.result(),
        replace(taken, tenant="mallory").result(),
        mixed.result(request=mixed.request(options=Options(language="he"))),
        void.result(transcript=None),
        twice.result(),
    )
    assert effects == ["applied", "applied", "stale", "erased", "foreign", "conflicting", "Poison", "duplicate"]
    assert {(await row_of(db, job)).state for job in (unknown, twice)} == {"completed"}
    assert {(await row_of(db, job)).state for job in (old, taken)} == {"queued"}
    assert await rows(db, "SELECT 1 FROM jobs WHERE job_id = %s", erased.job_id) == []
    kept = {transcript_key(job.tenant, job.job_id, 1) for job in (unknown, twice, mixed)}
    assert set(object_store.keys("")) == kept
    applied = await rows(db, "SELECT job_id FROM applied_events")
    assert {row["job_id"] for row in applied} == {unknown.job_id, twice.job_id, mixed.job_id}


async def test_the_runs_of_one_job_keep_their_order_through_groups(persist: Persist, db: Database) -> None:
    job = new_job()
    effects = await together(persist, job.result(), job.result(), job.result(2), job.result(1))
    assert effects == ["applied", "duplicate", "applied", "stale"]
    assert await history_of(db, job) == [(1, "queued"), (1, "completed"), (2, "queued"), (2, "completed")]


async def test_a_result_that_the_database_refuses_harms_none_of_its_neighbours(persist: Persist, db: Database) -> None:
    before, guilty, after = new_job(), new_job(), new_job()
    effects = await together(persist, before.result(), in_no_run(guilty.result()), after.result())
    assert effects == ["applied", "NumericValueOutOfRange", "applied"]
    assert len(await rows(db, "SELECT 1 FROM job_events")) == 4
    assert len(await rows(db, "SELECT 1 FROM segments")) == 4


async def test_requests_that_arrive_together_begin_once_each(persist: Persist, db: Database) -> None:
    job, other, guilty = new_job(), new_job(), new_job()
    requests = [job.request(), other.request(), job.request(), replace(guilty.request(), run=TOO_LATE), job.request(2)]
    effects = await asyncio.gather(*map(persist.requested, requests), return_exceptions=True)
    assert [*effects[:3], effects[4]] == ["applied", "applied", "duplicate", "applied"]
    assert isinstance(effects[3], Exception)
    assert await history_of(db, job) == [(1, "queued"), (2, "queued")]


async def test_processes_that_apply_the_same_jobs_in_other_orders_never_wait_for_each_other(
    db: Database, object_store: S3ObjectStore
) -> None:
    jobs = [new_job() for _ in range(32)]
    one, another = (Persist(db, object_store, GroupLimits(running=1)) for _ in range(2))
    results = [job.result() for job in jobs]
    asked = [job.request() for job in jobs]
    await asyncio.gather(
        together(one, *results),
        together(another, *reversed(results)),
        *map(one.requested, reversed(asked)),
        *map(another.requested, asked),
        *(one.progressed(job.progress(1, 1)) for job in jobs),
    )
    assert len(await rows(db, "SELECT 1 FROM applied_events")) == 32
    assert len(await rows(db, "SELECT 1 FROM job_events WHERE state = 'completed'")) == 32
    (found,) = await rows(db, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert found == {"deadlocks": 0}


MARKED = "\u202b\u200fשלום\u200f\u202c \u2067אב\u2069"


async def test_marks_of_direction_are_kept_and_what_no_database_takes_is_replaced(
    persist: Persist, db: Database, object_store: S3ObjectStore
) -> None:
    marked, nul, broken, plain = (new_job() for _ in range(4))
    told = [marked.result(transcript=saying(MARKED)), nul.result(transcript=saying("a\x00b"))]
    told += [broken.result(transcript=saying("a\ud800b")), plain.result()]
    assert await together(persist, *told) == ["applied"] * 4
    for job, text in ((marked, MARKED), (nul, "a\ufffdb"), (broken, "a\ufffdb"), (plain, "hello there")):
        found = await rows(db, "SELECT text FROM segments WHERE job_id = %s AND position = 0", job.job_id)
        assert found == [{"text": text}]
        body = json.loads(object_store.get(transcript_key(job.tenant, job.job_id, 1)))
        assert transcript_from_json(body).segments[0].text == text


def long_talk(words: int) -> Transcript:
    """Hours of speech, a segment of 20 words each five seconds."""
    segments = [
        Segment(
            start=5.0 * n,
            end=5.0 * n + 5,
            text=" ".join(["word"] * 20),
            words=tuple(Word(start=5.0 * n, end=5.0 * n + 1, text="word", probability=0.5) for _ in range(20)),
        )
        for n in range(words // 20)
    ]
    return Transcript(language="en", duration=5.0 * len(segments), segments=tuple(segments))


def claimed(store: S3ObjectStore, job: Job, body: bytes) -> JobResult:
    key = claim_key(job.tenant, job.job_id, job.result().event_id)
    store.put(key, body, content_type="application/avro")
    claim = ClaimCheck(uri=store.uri(key), size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
    return job.result(transcript=None, claim_check=claim)


@contextmanager
def peak_of_memory() -> Iterator[list[int]]:
    """The most bytes by which this process grows meanwhile, as the one item of the list."""
    process, over = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    peak = [0]

    def watch() -> None:
        while not over.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


async def test_ten_megabytes_of_words_delay_no_small_result_and_fill_no_memory(
    db: Database, object_store: S3ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come in front of forty small ones, and are read only when these have ended."""
    body = encode_transcript(long_talk(330_000))
    assert len(body) > 10_000_000
    small_ended, read = threading.Event(), object_store.get

    def get(key: str, *, max_bytes: int | None = None) -> bytes:
        assert small_ended.wait(30), "small results wait for the large one"
        return read(key, max_bytes=max_bytes)

    monkeypatch.setattr(object_store, "get", get)
    persist = Persist(db, object_store)
    large = claimed(object_store, new_job(), body)
    small = [new_job().result() for _ in range(40)]
    ended: list[str] = []

    async def end(event: JobResult, name: str) -> None:
        await persist.ended(event)
        ended.append(name)
        if len(ended) == 40:
            small_ended.set()

    with peak_of_memory() as peak:
        await asyncio.gather(end(large, "large"), *(end(event, "small") for event in small))
    assert len(await rows(db, "SELECT 1 FROM applied_events")) == 41
    assert ended[-1] == "large"
    assert peak[0] < 600_000_000, f"{peak[0] / 1e6:.0f} MB"
