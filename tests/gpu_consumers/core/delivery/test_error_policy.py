"""What becomes of each error."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from gpu_consumers.core.delivery.error_policy import (
    STICKY,
    ErrorPolicy,
    classify,
    shrunk,
    without_free_text,
    without_value,
)
from gpu_consumers.core.delivery.messages import Delivery, Job
from schemas.errors import ERRORS, Fatal, NotOwner, Outage, Permanent, Poison, ScribeError, SourceFailed, Transient
from schemas.events import EnhancementRequest, JobResult, Outcome, event_id
from schemas.retries.topic_ladder import RetryPolicy
from schemas.wire.headers import (
    ATTEMPT,
    ERROR_CODE,
    ERROR_KIND,
    ERROR_MESSAGE,
    GROUP,
    NOT_BEFORE,
    ORIGINAL_OFFSET,
    ORIGINAL_TOPIC,
    TRACEPARENT,
    VALUE_OMITTED,
)
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from tests.samples import AT, FULL_REQUEST, JOB

GROUP_NAME = "scribe.transcribers"
POLICY = ErrorPolicy(GROUP_NAME, retry=RetryPolicy(GROUP_NAME))
DELIVERY = Delivery("scribe.jobs", 3, 17, b"key", b"original bytes", {"x-upstream": "7", TRACEPARENT: "00-a-b-01"})
JOB_IN_WORK = Job(DELIVERY, FULL_REQUEST, FULL_REQUEST)


def attempt(number: int) -> Delivery:
    """The delivery as it comes at a later attempt."""
    return replace(DELIVERY, headers={**DELIVERY.headers, ATTEMPT: str(number)})


def test_poison_becomes_a_dead_letter_with_its_original_bytes() -> None:
    settled = POLICY.settle(Poison("unknown schema id 9"), DELIVERY, None, AT)
    [record] = settled.forwards
    assert (record.topic, record.key, record.value) == (f"{GROUP_NAME}.dlq", DELIVERY.key, DELIVERY.value)
    expected = {ERROR_KIND: "poison", ERROR_CODE: "undecodable", ERROR_MESSAGE: "unknown schema id 9"}
    expected |= {"x-upstream": "7", GROUP: GROUP_NAME, ORIGINAL_TOPIC: "scribe.jobs", ORIGINAL_OFFSET: "17"}
    assert expected.items() <= record.headers.items()
    assert not settled.emissions
    assert settled.outcome == "dead_lettered"


def test_poison_inside_a_decoded_job_also_tells_the_client() -> None:
    settled = POLICY.settle(Poison("claim check"), DELIVERY, JOB_IN_WORK, AT)
    assert len(settled.forwards) == 1
    [emission] = settled.emissions
    assert isinstance(emission.event, JobResult)
    assert emission.event.error is not None
    assert emission.event.error.code == "internal"


@pytest.mark.parametrize("number", [1, 99])
def test_trouble_where_the_client_keeps_the_recording_says_nothing_about_who_worked_on_it(number: int) -> None:
    theirs = POLICY.settle(SourceFailed("answered 503"), attempt(number), JOB_IN_WORK, AT)
    ours = POLICY.settle(Transient("unexpected KeyError"), attempt(number), JOB_IN_WORK, AT)
    assert theirs.outcome == ours.outcome
    assert (theirs.service_fault, ours.service_fault) == (None, True)


def test_records_that_cannot_be_read_or_killed_their_process_say_nothing_about_who_settled_them() -> None:
    assert POLICY.settle(Poison("claim check"), DELIVERY, JOB_IN_WORK, AT).service_fault is None
    assert POLICY.quarantine(DELIVERY, JOB_IN_WORK, AT).service_fault is None


@pytest.mark.parametrize("code", ERRORS)
def test_every_permanent_error_becomes_a_failed_result(code: str) -> None:
    settled = POLICY.settle(Permanent(code, "seen"), DELIVERY, JOB_IN_WORK, AT)
    assert not settled.forwards
    [emission] = settled.emissions
    result = emission.event
    assert isinstance(result, JobResult)
    assert (emission.topic, result.outcome) == ("scribe.results", Outcome.FAILED)
    assert result.event_id == event_id(JOB, "JobResult", FULL_REQUEST.run)
    assert result.error is not None
    assert (result.error.code, result.error.kind) == (code, ERRORS[code].kind)
    Serde().encode(result)


def test_a_failed_result_carries_its_request_without_the_secrets_of_its_address() -> None:
    source = replace(FULL_REQUEST.source, uri="https://a.example/b.wav?signature=secret")
    request = replace(FULL_REQUEST, source=source)
    [emission] = POLICY.settle(Permanent("not_media"), DELIVERY, Job(DELIVERY, request, request), AT).emissions
    assert isinstance(emission.event, JobResult)
    assert emission.event.request.source.uri == "https://a.example/b.wav"


def test_the_same_failure_has_the_same_event_id_every_time() -> None:
    first, second = (POLICY.settle(Permanent("not_media"), DELIVERY, JOB_IN_WORK, AT).emissions for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("number", "step", "delay"), [(1, "1m", 60), (2, "10m", 600), (3, "1h", 3600)])
def test_a_transient_error_takes_the_next_rung(number: int, step: str, delay: int) -> None:
    settled = POLICY.settle(Transient("the GPU had no memory"), attempt(number), JOB_IN_WORK, AT)
    [record] = settled.forwards
    assert (record.topic, record.value) == (f"{GROUP_NAME}.retry.{step}", DELIVERY.value)
    assert record.headers[ATTEMPT] == str(number + 1)
    due = AT + timedelta(seconds=delay)
    assert record.headers[NOT_BEFORE] == str(int(due.timestamp() * 1000))
    assert record.headers[TRACEPARENT] == DELIVERY.headers[TRACEPARENT]
    assert not settled.emissions


def test_the_last_rung_ends_in_a_failed_result_and_a_dead_letter() -> None:
    settled = POLICY.settle(Transient("still no memory"), attempt(4), JOB_IN_WORK, AT)
    [emission], [record] = settled.emissions, settled.forwards
    assert isinstance(emission.event, JobResult)
    assert emission.event.error is not None
    assert emission.event.error.code == "retries_exhausted"
    assert (record.topic, record.value) == (f"{GROUP_NAME}.dlq", DELIVERY.value)
    assert record.headers[ERROR_CODE] == "retries_exhausted"


def test_an_undecoded_record_can_be_retried_and_exhausted() -> None:
    assert POLICY.settle(Transient("odd"), DELIVERY, None, AT).outcome == "retried"
    settled = POLICY.settle(Transient("odd"), attempt(4), None, AT)
    assert (settled.outcome, settled.emissions) == ("dead_lettered", ())


@pytest.mark.parametrize("error", [Outage("away"), NotOwner("gone"), Fatal("lost")], ids=lambda e: type(e).__name__)
def test_what_is_no_records_fault_settles_none(error: ScribeError) -> None:
    with pytest.raises(ValueError, match="settles no record"):
        POLICY.settle(error, DELIVERY, JOB_IN_WORK, AT)


@pytest.mark.parametrize("phrase", STICKY)
def test_a_lost_gpu_ends_the_process_whatever_raised_it(phrase: str) -> None:
    assert isinstance(classify(RuntimeError(f"CUDA error: {phrase} at x.cu:1")), Fatal)


@pytest.mark.parametrize("phrase", STICKY)
def test_text_that_a_client_chose_ends_no_process(phrase: str) -> None:
    """Errors of ours quote keys, names and addresses."""
    error = Permanent("source_not_found", f"s3://bucket/{phrase}")
    assert classify(error) is error


def test_an_unexpected_error_gets_another_attempt_and_keeps_its_text_to_itself() -> None:
    ours = classify(ValueError("https://a.example/?signature=secret"))
    assert isinstance(ours, Transient)
    assert "secret" not in str(ours)


def test_errors_of_ours_stay_what_they_are() -> None:
    error = Permanent("not_media")
    assert classify(error) is error


def test_a_result_without_room_loses_what_has_no_limit() -> None:
    [emission] = POLICY.settle(Permanent("not_media"), DELIVERY, JOB_IN_WORK, AT).emissions
    assert isinstance(emission.event, JobResult)
    slimmed = without_free_text(emission.event)
    assert slimmed.request.metadata == {}
    assert slimmed.request.options.prompt is None
    assert (slimmed.error, slimmed.event_id) == (emission.event.error, emission.event.event_id)


def test_a_slim_result_has_no_text_without_a_limit() -> None:
    """Whatever a stranger wrote into the request."""
    text = "x" * 300_000
    request = replace(
        FULL_REQUEST,
        tenant=text,
        recording_id=text,
        source=replace(FULL_REQUEST.source, uri=f"https://a.example/{text}", sha256=text),
        options=replace(FULL_REQUEST.options, engine=text, model=text, language=text),
        enhancement=replace(FULL_REQUEST.enhancement or EnhancementRequest(enhancement_id=JOB), llm_model=text),
        webhook_url=f"https://a.example/{text}",
    )
    job = Job(DELIVERY, request, request)
    [emission] = POLICY.settle(Permanent("unknown_model", text), DELIVERY, job, AT).emissions
    assert isinstance(emission.event, JobResult)
    slimmed = without_free_text(emission.event)
    assert len(Serde().encode(slimmed)) < 20_000
    assert slimmed.request.webhook_url is None
    assert without_free_text(slimmed) == slimmed


def test_what_a_job_may_say_survives_slimming_but_for_its_free_texts() -> None:
    [emission] = POLICY.settle(Permanent("not_media"), DELIVERY, JOB_IN_WORK, AT).emissions
    assert isinstance(emission.event, JobResult)
    request = without_free_text(emission.event).request
    changed = {f.name for f in fields(request) if getattr(request, f.name) != getattr(FULL_REQUEST, f.name)}
    assert changed == {"metadata", "options"}


FOREIGN = {f"x-{number}": "a" * 1000 for number in range(2000)}


def test_a_settlement_gets_smaller_in_steps_and_never_loses_a_retried_value() -> None:
    """Foreign headers go first, then a dead letter's value; a retry without its value would be poison."""
    crowded = replace(DELIVERY, headers={**DELIVERY.headers, **FOREIGN})
    dead = POLICY.settle(Poison("odd"), crowded, None, AT)
    first = shrunk(dead)
    assert first is not None
    [record] = first.forwards
    assert record.value == DELIVERY.value
    assert {ORIGINAL_OFFSET, ERROR_CODE, TRACEPARENT, "__dlq.errors.topic"} <= record.headers.keys()
    assert not FOREIGN.keys() & record.headers.keys()
    second = shrunk(first)
    assert second is not None
    assert [r.value for r in second.forwards] == [None]
    assert shrunk(second) is None
    retried = shrunk(POLICY.settle(Transient("odd"), crowded, JOB_IN_WORK, AT))
    assert retried is not None
    assert [(r.value, r.headers[ATTEMPT]) for r in retried.forwards] == [(DELIVERY.value, "2")]
    assert shrunk(retried) is None


def test_an_endless_key_does_not_stay_with_a_record_without_room() -> None:
    """Compressed, it came in under the broker's limit."""
    assert without_value(Record("dlq", b"k" * 2_000_000, None)) == Record("dlq", None, None)
    settled = POLICY.settle(Poison("odd"), replace(DELIVERY, key=b"k" * 2_000_000, headers={}), None, AT)
    ends = [settled]
    while (less := shrunk(ends[-1])) is not None:
        ends.append(less)
    assert [record.key for record in ends[-1].forwards] == [None]


def test_a_record_without_room_says_how_much_was_left_out() -> None:
    emptied = without_value(Record("dlq", b"key", b"12345", {ORIGINAL_OFFSET: "17"}))
    assert emptied.value is None
    assert emptied.headers == {ORIGINAL_OFFSET: "17", VALUE_OMITTED: "5"}
