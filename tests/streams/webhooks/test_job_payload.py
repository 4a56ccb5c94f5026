"""What a webhook says: the fields, the types, and the transcript only while all of it stays small."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import ClaimCheck, Outcome
from schemas.transcript import Segment
from streams.webhooks.job_payload import MAX_BYTES, as_failed, body_of, numbered, payload_of
from tests.samples import SHA, TRANSCRIPT
from tests.streams.jobs import new_job, saying

JOB = new_job()
URL = "https://scribe.example/"


def test_a_completed_job_brings_its_transcript() -> None:
    payload = payload_of(JOB.result(), URL)
    assert payload["type"] == "job.completed"
    assert payload["timestamp"] == "2026-01-02T04:04:35.678901Z"
    assert payload["data"] == {
        "job_id": str(JOB.job_id),
        "run": 1,
        "tenant": "acme",
        "recording_id": "call of run 1",
        "name": "call.opus",
        "outcome": "completed",
        "error": None,
        "language": "en",
        "duration": 2.5,
        "speakers": ["SPEAKER_00"],
        "transcript_url": f"https://scribe.example/api/v1/jobs/{JOB.job_id}/transcript",
        "text": "hello there\nשלום",
        "segments": [
            {"start": 0.25, "end": 1.5, "speaker": "SPEAKER_00", "channel": 0, "text": "hello there"},
            {"start": 1.5, "end": 2.5, "speaker": None, "channel": None, "text": "שלום"},
        ],
    }


def test_a_failed_job_brings_its_error_and_no_link() -> None:
    payload = payload_of(JOB.result(outcome=Outcome.FAILED), URL)
    assert payload["type"] == "job.failed"
    assert payload["data"]["error"] == {"kind": "media", "code": "media_empty", "message": "The file is empty."}
    assert payload["data"]["transcript_url"] is None
    assert payload["data"]["duration"] == 2.5


def test_a_cancelled_job_is_told_too() -> None:
    assert payload_of(JOB.result(outcome=Outcome.CANCELLED), URL)["type"] == "job.cancelled"


@pytest.mark.parametrize(("length", "parts"), [(5_000, {"text", "segments"}), (12_000, {"text"}), (30_000, set())])
def test_what_is_too_long_stays_behind_the_link(length: int, parts: set[str]) -> None:
    payload = payload_of(JOB.result(transcript=saying("x" * length)), URL)
    assert {"text", "segments"} & payload["data"].keys() == parts
    assert payload["data"]["transcript_url"]


@given(texts=st.lists(st.text(max_size=3000), max_size=30))
def test_no_transcript_makes_it_large(texts: list[str]) -> None:
    segments = tuple(Segment(start=0.0, end=1.0, text=text) for text in texts)
    payload = payload_of(JOB.result(transcript=replace(TRANSCRIPT, segments=segments)), URL)
    assert len(body_of(payload)) < MAX_BYTES


def test_the_largest_webhook_that_brings_its_text_is_the_largest_that_stays_below_the_limit() -> None:
    """Letter by letter over the border: with its order number, however large that is, it never reaches 20 KB."""
    sizes: dict[bool, list[int]] = {True: [], False: []}
    for length in range(19_000, 19_700, 7):
        one = (Segment(start=0.0, end=1.0, text="x" * length),)
        payload = payload_of(JOB.result(transcript=replace(TRANSCRIPT, segments=one)), URL)
        sizes["text" in payload["data"]].append(length)
        assert len(body_of(numbered(payload, 2**63 - 1))) < MAX_BYTES
    assert max(sizes[True]) + 7 == min(sizes[False])
    short = (Segment(start=0.0, end=1.0, text="x" * max(sizes[True])),)
    largest = payload_of(JOB.result(transcript=replace(TRANSCRIPT, segments=short)), URL)
    assert len(body_of(numbered(largest, 2**63 - 1))) + 1 >= MAX_BYTES - 7


@given(st.integers(1, 2**63 - 1))
def test_the_order_number_stands_beside_the_type(sequence: int) -> None:
    payload = payload_of(JOB.result(), URL)
    assert numbered(payload, sequence) == {**payload, "sequence": sequence}
    assert numbered(payload, None) == payload


def test_a_transcript_kept_apart_is_not_told() -> None:
    claim = ClaimCheck(uri="s3://scribe/acme/x", size_bytes=1, sha256=SHA)
    data = payload_of(JOB.result(transcript=None, claim_check=claim), URL)["data"]
    assert not {"text", "segments"} & data.keys()
    assert data["speakers"] == ["SPEAKER_00"]


def test_equal_payloads_have_equal_bytes() -> None:
    payload = payload_of(JOB.result(), URL)
    shuffled = dict(reversed(list(payload.items())))
    assert body_of(payload) == body_of(shuffled)


def test_a_result_that_could_not_be_applied_is_told_as_a_failure() -> None:
    error = {"kind": "internal", "code": "internal", "message": "Something went wrong."}
    told = as_failed(payload_of(JOB.result(), URL), error)
    failed = payload_of(JOB.result(outcome=Outcome.FAILED), URL)
    assert told["type"] == failed["type"]
    assert told["data"].keys() == failed["data"].keys()
    assert told["data"]["error"] == error
    assert (told["data"]["outcome"], told["data"]["transcript_url"], told["data"]["speakers"]) == ("failed", None, [])
