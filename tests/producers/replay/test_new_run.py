"""What a record becomes that is sent again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.replay.new_run import Changes, RunEvent, begins_run, of_run, recording_of, redriven
from schemas.events import JobRequested, JobResult, TranscriptReady, event_id
from schemas.topics import DIARIZERS, ENHANCE, GROUPS, JOBS, PERSIST, TRANSCRIBERS, WEBHOOKS
from schemas.wire.headers import FATE, NOT_BEFORE, ONLY_FOR, REPLAY_ID, attempt_of, is_for, trace_id
from tests.producers.replay.test_dead_letters import HERE, SERDE, dead
from tests.samples import AT, BARE_REQUEST, SAMPLES
from tests.strategies import requests

NOW = AT + timedelta(days=1)
REPLAY = UUID(int=9)
RENEWED = {
    TRANSCRIBERS: "JobRequested-full",
    DIARIZERS: "TranscriptReady-full",
    PERSIST: "JobResult-completed",
}


@pytest.mark.parametrize("group", RENEWED)
def test_a_job_begins_its_next_run_for_all_who_read_the_topic(group: str) -> None:
    event = SAMPLES[RENEWED[group]]
    letter = dead(SERDE.encode(event), group=group)
    record = redriven(SERDE, letter, REPLAY, 5, None, NOW)
    again = SERDE.decode_any(record.value)
    assert isinstance(again, RunEvent)
    assert (again.run, again.event_id) == (5, event_id(again.job_id, again.KIND, 5))
    assert (record.topic, record.key) == (JOBS, str(again.job_id).encode())
    assert record.headers["x-upstream"] == "7"
    assert (record.headers[REPLAY_ID], record.headers["ce_id"]) == (str(REPLAY), str(again.event_id))
    assert not (FATE - {REPLAY_ID}) & set(record.headers)
    assert all(is_for(record.headers, other) for other in GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_what_nobody_can_read_goes_back_as_it_is_to_its_group_only(group: str) -> None:
    letter = dead(b"nonsense", group=group, key=b"key")
    record = redriven(SERDE, letter, REPLAY, None, None, NOW)
    assert (record.topic, record.key, record.value) == (JOBS, b"key", b"nonsense")
    assert [other for other in GROUPS if is_for(record.headers, other)] == [group]
    assert attempt_of(record.headers) == 1
    assert set(record.headers) == {"x-upstream", REPLAY_ID, ONLY_FOR}


@pytest.mark.parametrize(
    ("group", "name"),
    [
        (WEBHOOKS, "JobResult-completed"),
        (ENHANCE, "JobResult-completed"),
        (PERSIST, "JobRequested-full"),
        (PERSIST, "EnhancementResult-full"),
        (TRANSCRIBERS, "TranscriptReady-full"),
        (DIARIZERS, "JobRequested-bare"),
    ],
)
def test_an_event_that_only_its_group_has_not_seen_stays_the_same(group: str, name: str) -> None:
    letter = dead(SERDE.encode(SAMPLES[name]), group=group)
    assert begins_run(letter) is None
    assert redriven(SERDE, letter, REPLAY, None, None, NOW).value == letter.record.value


def test_on_a_step_of_the_ladder_it_falls_due_after_its_delay() -> None:
    record = redriven(SERDE, dead(SERDE.encode(BARE_REQUEST)), REPLAY, 2, "10m", NOW)
    assert record.topic == "scribe.transcribers.retry.10m"
    due = datetime.fromtimestamp(int(record.headers[NOT_BEFORE]) / 1000, UTC)
    assert abs(due - NOW - timedelta(minutes=10)) < timedelta(milliseconds=1)
    assert attempt_of(record.headers) == 1


def test_the_trace_goes_on() -> None:
    letter = dead(SERDE.encode(BARE_REQUEST))
    parent = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    record = replace(letter.record, headers={**letter.record.headers, "traceparent": parent})
    again = redriven(SERDE, replace(letter, record=record), REPLAY, 2, None, NOW)
    assert trace_id(again.headers["traceparent"]) == "ab" * 16


def test_without_an_origin_there_is_no_way_back() -> None:
    with pytest.raises(ValueError, match="no origin"):
        redriven(SERDE, dead(b"x", origin=HERE), REPLAY, None, None, NOW)


CHANGE = st.none() | st.text(max_size=5)


@given(requests(), st.integers(1, 2**31 - 1), CHANGE, CHANGE, CHANGE)
def test_only_the_run_and_what_is_changed_differ(
    request: JobRequested, run: int, model: str | None, language: str | None, track: str | None
) -> None:
    again = of_run(request, run, NOW, Changes(model=model, language=language, track=track))
    assert isinstance(again, JobRequested)
    assert again.run == run
    assert again.options.model == (request.options.model if model is None else model or None)
    assert again.options.language == (request.options.language if language is None else language or None)
    assert again.options.track == (request.options.track if track is None else track or None)
    over = request.expires_at is not None and request.expires_at <= NOW
    assert again.expires_at == (None if over else request.expires_at)
    options, expires = request.options, request.expires_at
    assert replace(again, run=request.run, options=options, expires_at=expires) == request


@pytest.mark.parametrize("name", ["TranscriptReady-full", "JobResult-failed"])
def test_the_request_inside_is_of_the_same_run(name: str) -> None:
    event = SAMPLES[name]
    assert isinstance(event, TranscriptReady | JobResult)
    again = of_run(event, 7, NOW, Changes(language="he"))
    assert isinstance(again, TranscriptReady | JobResult)
    assert (again.run, again.request.run, again.request.options.language) == (7, 7, "he")


def test_what_a_run_needs_is_known() -> None:
    assert recording_of(BARE_REQUEST) == (BARE_REQUEST.source.uri,)
    assert recording_of(SAMPLES["TranscriptReady-claim"]) == (
        "s3://scribe/acme/call.wav",
        "s3://scribe/acme/claim.avro",
    )
    assert recording_of(SAMPLES["JobResult-completed"]) == ()
    assert recording_of(SAMPLES["TenantPolicy-full"]) == recording_of(None) == ()
