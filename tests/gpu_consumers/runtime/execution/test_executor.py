"""One delivery from bytes to records: every way it can end, without a broker."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpu_consumers.core.delivery.fairness import SchedulingInfo
from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.runtime.tasks import JobTask
from schemas.errors import Outage
from schemas.events import Outcome, TranscriptReady
from schemas.wire.avro_reading import Schema, current_schema
from schemas.wire.headers import ONLY_FOR, REPLAY_ID, TRACEPARENT, new_traceparent, trace_id
from schemas.wire.serde import ManifestStore, Serde
from tests.foreign import raw
from tests.gpu_consumers.runtime.execution.executing import (
    GROUP,
    READY,
    READY_REQUEST,
    SERDE,
    Diarizing,
    ExecutorHarness,
    ordered,
    result_of,
)
from tests.samples import BARE_REQUEST, FULL_REQUEST


def test_a_job_becomes_a_result_record() -> None:
    finished = ExecutorHarness().order()
    result = result_of(finished)
    assert (result.job_id, result.outcome) == (BARE_REQUEST.job_id, Outcome.COMPLETED)
    assert finished is not None
    assert (finished.outcome, finished.records[0].topic) == ("completed", "scribe.results")


def test_a_record_that_was_sent_again_for_another_group_is_passed_over() -> None:
    """Whatever is in it."""
    for value in (ordered(), b"nonsense", None):
        finished = ExecutorHarness().deliver(value, {ONLY_FOR: "scribe.persist", REPLAY_ID: "r"})
        assert finished is not None
        assert (finished.outcome, finished.records) == ("not_ours", ())
    again = {ONLY_FOR: GROUP, REPLAY_ID: "r"}
    assert result_of(ExecutorHarness().deliver(ordered(), again)).outcome is Outcome.COMPLETED


def test_a_stranger_cannot_order_that_nobody_works_on_a_job() -> None:
    found = ExecutorHarness().deliver(ordered(), {ONLY_FOR: "scribe.persist"})
    assert result_of(found).outcome is Outcome.COMPLETED


def test_the_result_continues_the_trace() -> None:
    parent = new_traceparent()
    finished = ExecutorHarness().deliver(SERDE.encode(BARE_REQUEST), {TRACEPARENT: parent})
    assert finished is not None
    made = finished.records[0].headers[TRACEPARENT]
    assert trace_id(made) == trace_id(parent)
    assert made != parent


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", "URGENT"),
        ("enhancement.enhancement_id", "zzz"),
        ("expires_at", 2**63 - 1),
        ("requested_at", -(2**62)),
        ("run", 2**31),
    ],
)
def test_a_record_with_a_wrong_value_is_a_failed_result_and_no_dead_letter(field: str, value: object) -> None:
    parent = new_traceparent()
    finished = ExecutorHarness().deliver(raw(FULL_REQUEST, {field: value}), {TRACEPARENT: parent})
    assert finished is not None
    assert finished.outcome == "failed"
    assert finished.settlement.service_fault is None
    [record] = finished.records
    assert (record.topic, trace_id(record.headers[TRACEPARENT])) == ("scribe.results", trace_id(parent))
    result = result_of(finished)
    assert (result.job_id, result.tenant, result.outcome) == (FULL_REQUEST.job_id, "acme", Outcome.FAILED)
    assert result.error is not None
    assert result.error.code == "invalid_request"
    assert field in result.error.message
    assert result.request.webhook_url == FULL_REQUEST.webhook_url


def test_a_transcript_with_a_wrong_value_fails_its_job() -> None:
    finished = ExecutorHarness(Diarizing(SERDE)).deliver(raw(READY, {"completed_at": 2**63 - 1}))
    result = result_of(finished)
    assert finished is not None
    assert (finished.outcome, len(finished.records)) == ("failed", 1)
    assert (result.job_id, result.error and result.error.code) == (READY_REQUEST.job_id, "invalid_request")


def test_a_wrong_value_in_a_record_of_nobody_is_a_dead_letter_with_the_field_named() -> None:
    finished = ExecutorHarness().deliver(raw(FULL_REQUEST, {"job_id": "zzz"}))
    assert finished is not None
    [record] = finished.records
    assert (finished.outcome, record.topic) == ("dead_lettered", f"{GROUP}.dlq")
    assert record.headers["scribe-error-code"] == "invalid_request"
    assert "job_id" in record.headers["scribe-error-message"]


@pytest.mark.parametrize("value", [None, b"", b"nonsense", b"\x00\x00\x00\x00\x99nonsense"])
def test_what_cannot_be_decoded_is_a_dead_letter(value: bytes | None) -> None:
    finished = ExecutorHarness().deliver(value)
    assert finished is not None
    assert (finished.outcome, finished.job) == ("dead_lettered", None)
    [record] = finished.records
    assert (record.topic, record.value) == (f"{GROUP}.dlq", value)


@pytest.mark.parametrize(
    ("outcome", "ends", "code"),
    [
        ("permanent", "failed", "media_no_audio"),
        ("large", "failed", "result_too_large"),
        ("poison", "dead_lettered", "internal"),
    ],
)
def test_ends_that_the_client_is_told(outcome: str, ends: str, code: str) -> None:
    finished = ExecutorHarness().order(fake_outcome=outcome)
    assert finished is not None
    assert finished.outcome == ends
    error = result_of(finished).error
    assert error is not None
    assert error.code == code


@pytest.mark.parametrize("outcome", ["transient", "unexpected"])
def test_what_may_pass_is_tried_again_later(outcome: str) -> None:
    finished = ExecutorHarness().order(fake_outcome=outcome)
    assert finished is not None
    assert (finished.outcome, finished.records[0].topic) == ("retried", f"{GROUP}.retry.1m")


def test_an_expired_job_is_not_begun() -> None:
    request = replace(BARE_REQUEST, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    bench = ExecutorHarness()
    error = result_of(bench.order(request, fake_outcome="kill")).error
    assert error is not None
    assert error.code == "expired"


@pytest.mark.parametrize("uri", ["https://[", "https://exa\u2100mple/"])
def test_no_address_ends_the_process(uri: str) -> None:
    request = replace(BARE_REQUEST, source=replace(BARE_REQUEST.source, uri=uri))
    assert result_of(ExecutorHarness().order(request, fake_outcome="permanent")).request.source.uri == uri


def test_a_transcribed_job_does_not_expire() -> None:
    """Its turn has come: the words are there."""
    expired = replace(BARE_REQUEST, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert isinstance(READY, TranscriptReady)
    ready = replace(READY, request=expired)
    assert result_of(ExecutorHarness(Diarizing(SERDE)).deliver(SERDE.encode(ready))).outcome is Outcome.COMPLETED


class Registry(ManifestStore):
    """Schema ids that have to be asked for, of a registry that may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.asked: list[str | int] = []
        self._known: set[str | int] = set()

    def id_of(self, event_name: str) -> int:
        self._ask(event_name)
        return super().id_of(event_name)

    def schema_of(self, schema_id: int) -> Schema:
        self._ask(schema_id)
        return super().schema_of(schema_id)

    def knows(self, schema_id: int) -> bool:
        return schema_id in self._known

    def writer_for(self, event_name: str, plain: dict[str, Any]) -> tuple[int, Schema]:
        return self.id_of(event_name), current_schema(event_name)

    def _ask(self, what: str | int) -> None:
        if what not in self._known:
            self.asked.append(what)
            if self.away:
                raise Outage("the registry is away")
            self._known.add(what)


def test_another_end_is_found_without_asking_the_registry() -> None:
    """For the thread that asks for it must go on polling."""
    registry = Registry()
    bench = ExecutorHarness(serde=Serde(registry))
    finished = bench.order(fake_outcome="transient", attempt=1)
    assert finished is not None
    assert finished.outcome == "retried"
    registry.away = True
    bench.shutdown.request()  # else it would wait for ever
    assert result_of(bench.executor.ends.refuse(finished)).outcome is Outcome.FAILED


def test_for_scheduling_nobody_is_asked() -> None:
    """All that comes waits for it: what is not known here gets an ordinary one."""
    registry = Registry()
    bench = ExecutorHarness(serde=Serde(registry))
    task = JobTask(Delivery("scribe.jobs", 0, 5, b"key", ordered()), bench.partition)
    assert (bench.executor.decoder.scheduling_info(task), registry.asked) == (SchedulingInfo(), [])
    bench.executor.execute(task)
    assert bench.executor.decoder.scheduling_info(task).tenant == BARE_REQUEST.tenant


def test_progress_is_offered_while_the_job_runs() -> None:
    bench = ExecutorHarness()
    bench.order(fake_seconds="0.05")
    assert bench.offered[0].topic == "scribe.progress"
