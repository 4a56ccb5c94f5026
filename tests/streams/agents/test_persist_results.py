"""What the persist app keeps of a result, and results that cannot be kept."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.errors import Permanent, Poison
from schemas.events import ClaimCheck, Outcome
from schemas.transcript import Word
from schemas.wire.object_keys import MAX_CLAIM_BYTES, audio_key, claim_key, transcript_key, upload_key
from schemas.wire.serde import encode_transcript, to_json, transcript_from_json
from sink.jobs import queries
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from streams.agents.persist import Persist
from streams.runtime.event_loop import DeadLetterReason
from tests.samples import TRANSCRIPT
from tests.streams.jobs import new_job, saying
from tests.streams.persisting import history_of, row_of, rows, tell

pytestmark = pytest.mark.anyio


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
        kept = await queries.transcript(connection, row)
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
    letter = DeadLetterReason("internal", "internal", "secret of the house")
    await tell(persist, job.request())
    with pytest.raises(Permanent):
        await persist.ended(result)
    await persist.on_dead_letter(result, letter)
    await persist.on_dead_letter(result, letter)
    row = await row_of(db, job)
    assert (row.state, row.transcript_uri, row.speakers) == ("failed", None, [])
    assert row.error is not None
    assert row.error["code"] == "internal"
    assert "secret" not in row.error["message"]
    assert await history_of(db, job) == [(1, "queued"), (1, "failed")]
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


@pytest.mark.parametrize("where", ["another job's", "an upload", "a recording"])
async def test_a_claim_check_is_read_only_where_nobody_but_the_service_writes(
    where: str, persist: Persist, object_store: S3ObjectStore
) -> None:
    other, job = new_job(tenant="globex"), new_job()
    body = encode_transcript(TRANSCRIPT)
    sha256 = hashlib.sha256(body).hexdigest()
    key = {
        "another job's": claim_key(other.tenant, other.job_id, other.result().event_id),
        "an upload": upload_key(job.tenant, job.job_id),
        "a recording": audio_key(job.tenant, job.job_id, sha256),
    }[where]
    object_store.put(key, body, content_type="application/avro")
    claim = ClaimCheck(uri=object_store.uri(key), size_bytes=len(body), sha256=sha256)
    with pytest.raises(Permanent, match="not one of the job's claims"):
        await persist.ended(job.result(transcript=None, claim_check=claim))


async def test_an_object_larger_than_any_transcript_is_not_read_whatever_its_claim_check_says(
    persist: Persist, object_store: S3ObjectStore
) -> None:
    job = new_job()
    body = bytes(MAX_CLAIM_BYTES + 1)
    key = claim_key(job.tenant, job.job_id, job.result().event_id)
    object_store.put(key, body, content_type="application/avro")
    claim = ClaimCheck(uri=object_store.uri(key), size_bytes=2**40, sha256=hashlib.sha256(body).hexdigest())
    with pytest.raises(Permanent, match=f"at most {MAX_CLAIM_BYTES}"):
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
