"""A record that can be read is answered: its submitter hears which value is wrong; only what cannot be decoded is not."""

import contextlib
import gc
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidEvent, Poison
from schemas.events import (
    EnhancementResult,
    Event,
    JobControl,
    JobProgress,
    JobRequested,
    JobResult,
    Outcome,
    TranscriptReady,
    event_id,
)
from schemas.wire.serde import MAX_RECORD_BYTES, Serde
from tests.foreign import raw
from tests.samples import AT, FULL_REQUEST, JOB, SAMPLES

SERDE = Serde()
FOREVER = 2**63 - 1

WRONG: list[tuple[str, Any]] = [
    ("priority", "URGENT"),
    ("priority", ""),
    ("options.task", "shout"),
    ("options.channels", "Mix"),
    ("options.num_speakers", 2**40),
    ("enhancement.enhancement_id", "zzz"),
    ("enhancement.enhancement_id", ""),
    ("expires_at", FOREVER),
    ("expires_at", -FOREVER),
    ("requested_at", FOREVER),
    ("requested_at", -(10**17)),
    ("run", 2**31),
    ("run", -(2**31) - 1),
    ("run", 2**62),
]


def answered(value: bytes, cls: type[Event]) -> tuple[InvalidEvent, JobResult]:
    with pytest.raises(InvalidEvent) as raised:
        SERDE.decode(value, cls)
    assert isinstance(raised.value.answer, JobResult)
    return raised.value, raised.value.answer


def caught(value: bytes, cls: type[Event]) -> Exception | None:
    """What decoding raises."""
    try:
        SERDE.decode(value, cls)
    except Exception as error:  # noqa: BLE001 - which it is, the test judges
        return error
    return None


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda v: str(v)[:20])
def test_a_wrong_value_is_answered_with_its_field_named(field: str, value: Any) -> None:
    error, answer = answered(raw(FULL_REQUEST, {field: value}), JobRequested)
    assert error.reason.code == "invalid_request"
    assert field in error.reason.message
    assert answer.error is not None
    assert (answer.outcome, answer.error.code, answer.error.message) == (
        Outcome.FAILED,
        "invalid_request",
        error.reason.message,
    )
    run = 0 if field == "run" else FULL_REQUEST.run
    assert (answer.job_id, answer.tenant, answer.run) == (JOB, "acme", run)
    assert answer.event_id == event_id(JOB, "JobResult", run)
    assert answer.request.webhook_url == FULL_REQUEST.webhook_url
    assert answer.request.source.uri == FULL_REQUEST.source.uri
    assert SERDE.decode(SERDE.encode(answer), JobResult) == answer


def test_every_field_that_is_wrong_is_named() -> None:
    changes = {"priority": "URGENT", "expires_at": FOREVER, "options.task": "shout"}
    error, answer = answered(raw(FULL_REQUEST, changes), JobRequested)
    assert all(field in error.reason.message for field in changes)
    assert answer.request.options == replace(FULL_REQUEST.options, task=answer.request.options.task)


@pytest.mark.parametrize(
    ("field", "text"), [("recording_id", b"call-17"), ("webhook_url", b"https://hooks.example/in"), ("metadata", b"42")]
)
def test_text_that_is_not_in_utf_8_is_a_wrong_value(field: str, text: bytes) -> None:
    value = SERDE.encode(FULL_REQUEST)
    assert value.count(text) == 1
    error, _ = answered(value.replace(text, b"\xff" + text[1:]), JobRequested)
    assert field in error.reason.message
    assert "UTF-8" in error.reason.message


@pytest.mark.parametrize("size", [MAX_RECORD_BYTES, 3 * MAX_RECORD_BYTES])
def test_what_is_larger_than_any_record_may_be_is_answered_too(size: int) -> None:
    error, answer = answered(raw(FULL_REQUEST, {"metadata": {"k": "v" * size}}), JobRequested)
    assert (error.reason.code, answer.job_id) == ("request_too_large", JOB)


@pytest.mark.parametrize(
    ("field", "value"),
    [("job_id", "zzz"), ("job_id", ""), ("job_id", "0b7e1d0a")],
)
def test_nobody_is_answered_who_does_not_say_who_it_is(field: str, value: str) -> None:
    with pytest.raises(InvalidEvent, match=field) as raised:
        SERDE.decode(raw(FULL_REQUEST, {field: value}), JobRequested)
    assert raised.value.answer is None


@pytest.mark.parametrize(
    ("name", "field", "value", "code"),
    [
        ("TranscriptReady-full", "request.priority", "URGENT", "invalid_request"),
        ("TranscriptReady-full", "event_id", "zzz", "invalid_request"),
        ("TranscriptReady-claim", "completed_at", FOREVER, "invalid_request"),
        ("TranscriptReady-claim", "run", 2**31, "invalid_request"),
        ("JobResult-completed", "outcome", "done", "internal"),
        ("JobResult-completed", "event_id", "zzz", "internal"),
        ("JobResult-failed", "completed_at", FOREVER, "internal"),
        ("JobResult-failed", "request.enhancement", {"enhancement_id": "zzz"}, "invalid_request"),
    ],
)
def test_the_job_of_a_later_event_fails_with_its_request(name: str, field: str, value: Any, code: str) -> None:
    event = SAMPLES[name]
    assert isinstance(event, TranscriptReady | JobResult)
    if isinstance(value, dict):
        value = {"summarization": True, "entity_extraction": False, "llm_model": None, **value}
    error, answer = answered(raw(event, {field: value}), type(event))
    assert error.reason.code == code
    assert field.removesuffix("request.enhancement") in error.reason.message
    assert (answer.job_id, answer.tenant) == (JOB, "acme")
    assert answer.run == (0 if field == "run" else event.run)
    assert answer.request.webhook_url == event.request.webhook_url


@pytest.mark.parametrize(("field", "value"), [("outcome", "done"), ("completed_at", FOREVER), ("event_id", "zzz")])
def test_an_enhancement_whose_result_is_wrong_has_failed(field: str, value: Any) -> None:
    sample = SAMPLES["EnhancementResult-full"]
    assert isinstance(sample, EnhancementResult)
    with pytest.raises(InvalidEvent, match=field) as raised:
        SERDE.decode(raw(sample, {field: value}), EnhancementResult)
    answer = raised.value.answer
    assert isinstance(answer, EnhancementResult)
    assert (answer.outcome, answer.event_id) == (Outcome.FAILED, sample.event_id)
    assert (answer.enhancement_id, answer.tenant) == (UUID(int=7), "acme")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("JobProgress-full", "stage", "resting"),
        ("JobProgress-full", "sequence", 2**31),
        ("JobControl-full", "at", FOREVER),
        ("JobControl-full", "job_id", "zzz"),
        ("TenantPolicy-full", "at", FOREVER),
    ],
)
def test_an_event_that_nobody_waits_for_says_what_is_wrong(name: str, field: str, value: Any) -> None:
    event = SAMPLES[name]
    with pytest.raises(InvalidEvent, match=field) as raised:
        SERDE.decode(raw(event, {field: value}), type(event))
    assert (raised.value.answer, raised.value.reason.code) == (None, "invalid_request")


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_number_is_a_time_or_a_wrong_value(micros: int) -> None:
    for field in ("requested_at", "expires_at"):
        wrong = caught(raw(FULL_REQUEST, {field: micros}), JobRequested)
        assert not isinstance(wrong, InvalidEvent) or (field in str(wrong) and wrong.answer)


@given(st.data())
def test_whatever_stands_in_a_text_the_submitter_is_answered_or_taken(data: st.DataObject) -> None:
    """Any text in any field but those that say whose it is."""
    fields = ["priority", "options.task", "options.engine", "source.uri", "enhancement.enhancement_id", "webhook_url"]
    chosen = {field: data.draw(st.text(max_size=20)) for field in data.draw(st.sets(st.sampled_from(fields)))}
    wrong = caught(raw(FULL_REQUEST, chosen), JobRequested)
    if isinstance(wrong, InvalidEvent):
        assert isinstance(wrong.answer, JobResult)
        assert (wrong.answer.job_id, wrong.answer.request.requested_at) == (JOB, AT)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_damaged_events_are_taken_answered_or_poison(position: int, noise: bytes) -> None:
    """Nothing else leaves the decoder, and whatever is answered can be written."""
    for name in ("JobRequested-full", "TranscriptReady-claim", "JobResult-failed", "JobProgress-full"):
        event = SAMPLES[name]
        whole = SERDE.encode(event)
        at = 5 + position % (len(whole) - 5)
        wrong = caught(whole[:at] + noise + whole[at + len(noise) :], type(event))
        assert wrong is None or isinstance(wrong, Poison)
        assert not isinstance(wrong, InvalidEvent) or wrong.answer is None or SERDE.encode(wrong.answer)


def test_an_order_of_any_run_is_taken() -> None:
    order = SAMPLES["JobControl-full"]
    assert SERDE.decode(raw(order, {"run": -1}), JobControl).run == -1
    progress = SAMPLES["JobProgress-full"]
    assert SERDE.decode(raw(progress), JobProgress) == progress


@pytest.mark.parametrize("damage", ["cut", "longer", "wrong", "no uuid"])
def test_a_record_that_cannot_be_read_is_in_no_circle(damage: str) -> None:
    """Processes that look for circles seldom would keep all that strangers send, with copies."""
    sound = SERDE.encode(SAMPLES["JobResult-completed"])
    value = {
        "cut": sound[:40],
        "longer": sound + b"rest",
        "wrong": raw(SAMPLES["JobResult-completed"], {"outcome": "unheard of"}),
        "no uuid": sound[:5] + bytes(1000),
    }[damage]
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(Poison, InvalidEvent):
            SERDE.decode(value, JobResult)
        assert gc.collect() == 0
    finally:
        gc.enable()
